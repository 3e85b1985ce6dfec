"""Synch_global: all members know all digits before any goes on."""
