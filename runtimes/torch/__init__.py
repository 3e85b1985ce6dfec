"""PyTorch's own distributed layer over gloo, on processes that mpirun or torchrun started."""

import os
import sys
import traceback
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Option

from ..mpi import MPIRuntime

CPU = "pip install torch --index-url https://download.pytorch.org/whl/cpu (the build without CUDA)"


class Runtime(MPIRuntime):
    name = "torch"
    title = "PyTorch distributed: gloo"
    requires = ("torch",)
    install = CPU
    options = {
        "ddp": (Option("bucket-mb", 25.0, "megabytes of gradients reduced at once", examples=(0.02,)),)
    }

    def launch(self, job: Job) -> Outcome:
        """Run on the team that torchrun started, else on MPI's, which also tells gloo the address."""
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return super().launch(job)
        from . import team

        try:
            return job.run(team.Elastic())
        except BaseException:
            # torchrun ends the other ranks when one has failed.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def refuse(self, job: Job, size: int) -> None:
        if job.kernel != "allreduce":
            return
        collective = job.problem.collective
        if collective == "reduce_scatter":
            raise Refusal("--collective", "gloo has no reduce_scatter", "use allreduce, or --runtime mpi1")
        if collective == "alltoall" and job.problem.place == "in":
            raise Refusal("--place", "gloo has no alltoall in place", "use --place out, or --runtime mpi1")

    def describe(self) -> dict[str, Any]:
        import torch

        return {"torch": torch.__version__, "backend": "gloo", "threads": torch.get_num_threads()}
