"""Layers: the operators that networks are made of, forward and backward, each in shapes from a file."""
