"""Transpose: a matrix in column blocks, transposed and accumulated."""
