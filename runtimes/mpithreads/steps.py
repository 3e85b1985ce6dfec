"""What ranks and their threads do in a repetition, where that is not mpi1's. Pure, without MPI."""

from typing import Any

import numpy as np

from prk.runtime import Options
from prk.schedule import FLAG, SEND, Layout

from .. import _steps as common


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any]:
    """Tell the next thread by a flag, and the next rank, from its last thread, by a message."""
    threads, size = layout.threads, layout.ranks
    last = np.arange(size * threads) % threads == threads - 1
    carries = last & np.repeat([to >= 0 for to in common.receivers(size)], threads)
    return common.line(problem, layout, np.where(carries, SEND, FLAG).tolist(), carries, threads)
