"""MPI between processes and threads in each: one rank a socket or a node, as launched."""

from collections import Counter
from typing import Any

from prk import environment
from prk.job import Job
from prk.problem import Refusal

from ..mpi import MPIRuntime
from ..mpi1 import Runtime as MPI1
from ..threaded import Threads


class Runtime(Threads, MPIRuntime):
    name = "mpithreads"
    title = "MPI and threads: the first thread of a rank communicates"
    # Each thread gets a cpu of its own from the team; a launcher that binds leaves a rank one core.
    launcher = "mpirun -n {ranks} --bind-to none"
    # Synch_p2p communicates from two threads.
    thread_level = "multiple"
    options = {**Threads.options, "transpose": MPI1.options["transpose"]}

    def refuse(self, job: Job, size: int) -> None:
        if job.options["threads"] is not None:
            super().refuse(job, size)
        from mpi4py import MPI

        if job.kernel == "synch_p2p" and MPI.Query_thread() < MPI.THREAD_MULTIPLE:
            level = self.describe()["thread_level"]
            raise Refusal(
                "--runtime",
                f"this MPI gives the thread level {level}, and mpithreads needs multiple for synch_p2p",
                "use an MPI that is built with it, or --runtime mpi1",
            )

    def probe(self, job: Job, comm: Any) -> str:
        """Divide the cpus that ranks of a node have in common, then refuse what does not suit a rank."""
        mine = environment.node(), tuple(Threads.cpus)
        all_ = comm.allgather(mine)
        ranks_of = Counter(all_)
        # Equal on all ranks, so that one number stands in the record.
        width = max(1, min(len(cpus) // ranks_of[host, cpus] for host, cpus in all_))
        before = all_[: comm.rank].count(mine)
        Threads.cpus = Threads.cpus[before * width : (before + 1) * width]
        try:
            super().refuse(job, comm.size)
        except Refusal as refusal:
            return str(refusal)
        return ""
