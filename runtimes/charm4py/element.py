"""The program of each processing element that `--pe` starts."""

import sys

from . import launch, team

if __name__ == "__main__":
    launch.die_with_parent()
    team.start(launch.unpack(sys.argv[1]))
