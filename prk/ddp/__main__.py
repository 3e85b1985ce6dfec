# PYTHON_ARGCOMPLETE_OK
import sys

from prk.cli import main

if sys.argv[1:2] == ["--list"]:
    from prk.ddp.listing import listed

    sys.exit(listed(sys.argv[2:]))
sys.exit(main("ddp", sys.argv[1:]))
