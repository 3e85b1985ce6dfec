"""Runs that lose members on purpose and go on: who dies when, and from which state the others go on."""
