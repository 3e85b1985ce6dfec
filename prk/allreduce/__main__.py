# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("allreduce", sys.argv[1:]))
