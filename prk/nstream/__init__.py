"""Nstream: the yardstick of memory bandwidth."""
