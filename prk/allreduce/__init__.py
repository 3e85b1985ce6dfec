"""Allreduce and the other collectives of data-parallel training, over a series of message sizes."""
