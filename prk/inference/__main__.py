# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("inference", sys.argv[1:]))
