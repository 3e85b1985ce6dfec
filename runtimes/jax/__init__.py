"""JAX on several processes: XLA computes, and what its programs send travels over gloo."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prk.job import Job, Outcome
from prk.runtime import Cell, Option, Options, Sent

from .. import _addresses, _sent
from .._mpi import MPIRuntime
from . import sent

VARIANT = Option(
    "variant", "explicit", "who says what is sent: the program, or the compiler", ("explicit", "compiler")
)
WARNING = "XLA computes here, not the core that the other runtimes share"
OPERATORS = "its operators are NumPy's and PyTorch's"
POINT_TO_POINT = (
    "in JAX all members take part in whatever is sent: a line could not be passed on to one neighbour alone"
)
WORDS = "members send as many words as their data want, and XLA's programs have arrays of fixed shapes only"


def explicit(formula: Callable[..., Sent]) -> Callable[..., Sent | None]:
    """Return a formula that holds where a member's program says what is sent to others.

    What the compiler inserts is known when it has done so: a run prints it.
    """

    def messages(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
        if options["variant"] != "explicit":
            return None
        return formula(problem, options, size, rank) if size > 1 else Sent()

    return messages


def memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes twice: a program may make new arrays while it reads the old ones."""
    return 2 * int(problem.memory(size))


def gathered(problem: Any, options: Options, size: int) -> int:
    """Return what DGEMM takes: besides, rows of A and columns of B that have been gathered."""
    return memory(problem, options, size) + 8 * problem.order * sum(problem.shape(0, size))


class Runtime(MPIRuntime):
    name = "jax"
    title = "JAX: XLA computes, and sends over gloo"
    requires = ("jax",)
    install = "pip install 'prk[jax]'"
    look = ("#a6611a", "<", (1.2, 1.2, 4, 1.2))
    mortal = "JAX's processes end with the first one that does"
    unclocked = "XLA's programs compute and communicate in one call"
    cells = {
        "*": Cell(memory=memory, absent=WORDS),
        "nstream": Cell(messages=_sent.nothing, warning=WARNING),
        "stencil": Cell(options=(VARIANT,), messages=explicit(sent.halos), warning=WARNING),
        "transpose": Cell(options=(VARIANT,), messages=explicit(sent.blocks), warning=WARNING),
        "reduce": Cell(options=(VARIANT,), messages=explicit(_sent.reduction), warning=WARNING),
        # By XLA's own product.
        "dgemm": Cell(
            options=(VARIANT,),
            only={"local": ("blas",)},
            memory=gathered,
            messages=explicit(sent.panels),
            warning=WARNING,
        ),
        "sparse": Cell(options=(VARIANT,), messages=explicit(sent.slices), warning=WARNING),
        "synch_global": Cell(options=(VARIANT,), messages=explicit(_sent.digits)),
        # An array of JAX is never changed, so that a result has a place of its own.
        "allreduce": Cell(options=(VARIANT,), only={"place": ("out",)}, messages=explicit(_sent.collective)),
        "synch_p2p": Cell(absent=POINT_TO_POINT),
        "random": Cell(absent=WORDS),
        "pic": Cell(absent=WORDS),
        "amr": Cell(absent=WORDS),
        "refcount": Cell(absent=_sent.NOTHING_SHARED),
        "branch": Cell(absent=_sent.ALONE),
        "adaptive": Cell(absent=POINT_TO_POINT),
        # Of a batch in one piece, whose gradients are summed as they are.
        "ddp": Cell(
            options=(VARIANT,),
            only={"accumulate": (1,), "gradients": ("float32",)},
            messages=explicit(sent.gradients),
            warning=WARNING,
        ),
        "layers": Cell(absent=OPERATORS),
        "models": Cell(absent=OPERATORS),
        "inference": Cell(absent="its models are PyTorch's"),
    }

    def launch(self, job: Job) -> Outcome:
        """Run on the processes that JAX's own variables describe, else on MPI's."""
        from . import processes

        own = processes.COORDINATOR in os.environ
        outcome = processes.run(job) if own else super().launch(job)
        if "jax" in sys.modules:
            # Else the job was refused, and it is not worth loading.
            from . import team

            team.leave()
        return outcome

    def probe(self, job: Job, comm: Any) -> str:
        return _addresses.unreachable(comm)

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        from .shares import Program

        return nullcontext((comm, lambda: Program.so_far))

    def describe(self) -> dict[str, Any]:
        import jax
        import jaxlib

        return {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "backend": "gloo", "compute": "XLA"}
