"""Sparse: a sparse matrix times a vector that all members gather."""
