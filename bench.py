#!/usr/bin/env python3
# PYTHON_ARGCOMPLETE_OK
"""Plan, run and show sweeps: the harness from a checkout. Installed, it is called prk-bench."""

import sys

from prk.harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
