# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("synch_global", sys.argv[1:]))
