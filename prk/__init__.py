"""Parallel Research Kernels for Python: what is computed, and how it is checked."""

import os

__version__ = "0.2.0"

# NumPy's BLAS starts a thread a core, which spins: 0.05 CPU seconds a process. Ask for more where wanted.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Numba would let colorama, where it is installed, wrap the standard output and write to it at the end.
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
