# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

sys.exit(main("synch_p2p", sys.argv[1:]))
