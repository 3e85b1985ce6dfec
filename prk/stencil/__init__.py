"""Stencil: a star or compact stencil swept over a square grid."""
