"""Parallel Research Kernels for Python: what is computed, and how it is checked."""

__version__ = "0.1.0"
