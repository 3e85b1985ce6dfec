"""PyTorch's own distributed layer over gloo, on processes that mpirun or torchrun started."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options, Sent

from .. import _addresses, _sent
from .._mpi import MPIRuntime

CPU = "pip install torch --index-url https://download.pytorch.org/whl/cpu (the build without CUDA)"


def refuse_place(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if a collective is wanted in place that gloo has out of place only."""
    if problem.collective == "alltoall" and problem.place == "in":
        raise Refusal("--place", "gloo has no alltoall in place", "use --place out, or --runtime mpi1")


THREADS = Option("threads", 1, "threads that compute in a rank", examples=(2,))


def refuse_threads(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if no thread is to compute."""
    if options["threads"] < 1:
        raise Refusal("--threads", f"{options['threads']} is too few", "use at least 1")


# Without choices, which would be run wherever all are.
DEVICE = Option("device", "cpu", "where the model is and computes: cpu or cuda")
BACKEND = Option("backend", "gloo", "what sends gradients: gloo, or nccl between GPUs")


def refuse_backend(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if there is no such device or backend, or if that cannot send from where the model is."""
    for name, known in (("device", ("cpu", "cuda")), ("backend", ("gloo", "nccl"))):
        if options[name] not in known:
            raise Refusal(f"--{name}", f"there is no {options[name]!r}", f"use {' or '.join(known)}")
    if options["backend"] == "nccl" and options["device"] != "cuda":
        raise Refusal("--backend", "NCCL sends from a GPU's memory only", "use --device cuda, or gloo")


class Runtime(MPIRuntime):
    name = "torch"
    title = "PyTorch distributed: gloo"
    requires = ("torch",)
    install = CPU
    look = ("#882255", "H", (3, 2.6))
    mortal = "gloo's process group ends with the first member that does"
    unclocked = "gloo communicates in threads of its own, and PyTorch waits for them unseen"
    cells = {
        "*": Cell(
            absent="PyTorch is measured by what it is used for: layers, models, collectives and training"
        ),
        "allreduce": Cell(refuse=refuse_place, messages=_sent.collective),
        "layers": Cell(options=(THREADS,), refuse=refuse_threads, messages=_sent.nothing),
        "inference": Cell(absent=_sent.OWN_THREADS),
        "models": Cell(options=(THREADS,), refuse=refuse_threads, messages=_sent.nothing),
        "ddp": Cell(options=(_sent.BUCKET, _sent.OPTIMIZER, DEVICE, BACKEND), refuse=refuse_backend),
    }

    def threads(self, options: Options) -> int:
        return int(options.get("threads", 1))

    def launch(self, job: Job) -> Outcome:
        """Run on the team that torchrun started, else on MPI's, which also tells gloo the address."""
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            outcome = super().launch(job)
            if "torch" in sys.modules:
                # Else the job was refused, and it is not worth loading.
                from . import team

                team.leave()
            return outcome
        from . import team

        try:
            outcome = job.run(team.Elastic(job.options.get("backend", "gloo")))
            team.leave()
            return outcome
        except BaseException:
            # torchrun ends the other ranks when one has failed.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def probe(self, job: Job, comm: Any) -> str:
        if job.options.get("device", "cpu") != "cpu":
            from . import device

            lacking = device.looked_for(job.options, comm)
            if lacking:
                return lacking
        return _addresses.unreachable(comm)

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        # As torch sees it: what gloo makes of a collective are messages of its own.
        from . import count

        return count.counting(comm)

    def describe(self) -> dict[str, Any]:
        import torch

        found = {"torch": torch.__version__, "backend": "gloo", "threads": torch.get_num_threads()}
        if torch.cuda.is_initialized():
            # The run's own options say by which backend.
            found["device"] = torch.cuda.get_device_name()
        return found
