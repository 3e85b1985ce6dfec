# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("sparse", sys.argv[1:]))
