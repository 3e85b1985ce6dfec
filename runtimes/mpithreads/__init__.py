"""MPI between processes and threads in each: one rank a socket or a node, as launched."""

from collections import Counter
from dataclasses import replace
from typing import Any

from prk.job import Job
from prk.run import environment
from prk.runtime import Cell, Options

from .. import _pic, _sent, _steps, mpi1
from .._mpi import MPIRuntime
from .._threads import Threads, refuse
from . import steps


def refuse_balance(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if there are too many or too few threads, or borders never move as is asked for."""
    refuse(problem, options, size)
    _pic.refuse(problem, options, size)


class Runtime(Threads, MPIRuntime):
    name = "mpithreads"
    title = "MPI and threads: the first thread of a rank communicates"
    # Each thread gets a cpu of its own from the team; a launcher that binds leaves a rank one core.
    unbound = True
    # Synch_p2p communicates from two threads.
    thread_level = "multiple"
    look = ("#b27d00", "v", (7, 1.6))
    mortal = "threads of the dead rank's neighbours wait for each other as well, and nothing ends that"
    cells = {
        **Threads.cells,
        "nstream": Cell(messages=_sent.nothing),
        "stencil": Cell(messages=_sent.halos, schedule=_steps.stencil_of_halos),
        "synch_p2p": Cell(messages=_sent.pipeline, schedule=steps.synch_p2p),
        "transpose": mpi1.Runtime.cells["transpose"],
        "branch": Cell(absent="nothing is communicated: its threads would do what numba's do"),
        "refcount": Cell(absent="its threads would share counters as numba's do, its ranks as mpirma's"),
        "random": mpi1.Runtime.cells["random"],
        "sparse": mpi1.Runtime.cells["sparse"],
        "dgemm": mpi1.Runtime.cells["dgemm"],
        "synch_global": Cell(absent="one thread of a rank would gather the digits, as mpi1 does"),
        "amr": Cell(messages=_sent.grids),
        "pic": replace(_pic.TILES, refuse=refuse_balance, messages=_pic.in_messages),
        "reduce": Cell(messages=_sent.reduction),
        "adaptive": Cell(absent="one thread of a rank would take a tile and multiply it, as mpi1 does"),
        "allreduce": Cell(absent="one thread of a rank would call the collective, as mpi1 does"),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.OWN_THREADS),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="PyTorch computes with threads of its own: mpi1 with --torch-threads"),
    }

    def probe(self, job: Job, comm: Any) -> str:
        """Divide the cpus that ranks of a node have in common, then refuse what does not suit a rank."""
        mine = environment.node(), tuple(Threads.cpus)
        all_ = comm.allgather(mine)
        ranks_of = Counter(all_)
        # Equal on all ranks, so that one number stands in the record.
        width = max(1, min(len(cpus) // ranks_of[host, cpus] for host, cpus in all_))
        before = all_[: comm.rank].count(mine)
        Threads.cpus = Threads.cpus[before * width : (before + 1) * width]
        return super().probe(job, comm) or self._too_low(job, comm)

    def _too_low(self, job: Job, comm: Any) -> str:
        """Return the line that refuses what this MPI's thread level does not allow, or nothing."""
        from mpi4py import MPI

        if job.kernel != "synch_p2p" or min(comm.allgather(MPI.Query_thread())) >= MPI.THREAD_MULTIPLE:
            return ""
        return (
            f"--runtime: this MPI gives the thread level {self.describe()['thread_level']}, and mpithreads "
            "needs multiple for synch_p2p; use an MPI that is built with it, or --runtime mpi1"
        )
