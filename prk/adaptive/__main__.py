# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("adaptive", sys.argv[1:]))
