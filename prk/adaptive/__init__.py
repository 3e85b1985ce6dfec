"""Adaptive: a scheduler that compresses what it transfers while that pays."""
