"""Models in an audit: weights and inputs of another seed, which nobody can guess.

The kernel compares all outputs, and in training all gradients, with double precision in every run.
"""
