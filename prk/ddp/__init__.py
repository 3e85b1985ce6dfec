"""Synchronous data-parallel training: the same model, seed and global batch on any number of ranks."""
