# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("pic", sys.argv[1:]))
