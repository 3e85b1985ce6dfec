"""The program of each processing element that `--pe` starts."""

import sys

from . import launch, team

# All of them are on this node, whose loopback takes datagrams larger than any network does.
LOOPBACK = ("+max_dgram_size", "60000", "+os_buffer_size", "4000000", "+window_size", "64")

if __name__ == "__main__":
    launch.die_with_parent()
    team.start(*launch.unpack(sys.argv[1]), LOOPBACK)
