"""Where PyTorch computes, and with how many threads."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from prk.problem import Refusal
from prk.run import environment
from prk.runtime import Options


def chosen(options: Options) -> torch.device:
    """Return the device that the options name, the processor where they name none; set its threads."""
    torch.set_num_threads(options["threads"])
    return torch.device(options.get("device", "cpu"))


def own(rank: int, nodes: Sequence[str], counts: Sequence[int]) -> int:
    """Return the device of a rank: those of a node get its devices in turn. Pure.

    nodes, counts: each rank's node, and how many devices it sees there.
    """
    return sum(node == nodes[rank] for node in nodes[:rank]) % counts[rank]


def lacking(device: str, backend: str, counts: Sequence[int], nccl: Sequence[bool]) -> str:
    """Return the line that refuses a device or a backend that some rank has not got, or nothing. Pure."""
    if device == "cuda" and not all(counts):
        rank = next(rank for rank, count in enumerate(counts) if not count)
        return str(Refusal("--device", f"rank {rank} sees no CUDA device", "use --device cpu"))
    if backend == "nccl" and not all(nccl):
        return str(Refusal("--backend", "this PyTorch was built without NCCL", "use --backend gloo"))
    return ""


def looked_for(options: Options, comm: Any) -> str:
    """Return the line that refuses what some rank lacks, equal on all. Collective."""
    found = comm.gather((torch.cuda.device_count(), dist.is_nccl_available()))
    said = lacking(options["device"], options["backend"], *zip(*found, strict=True)) if found else ""
    return str(comm.bcast(said))


def taken(options: Options, comm: Any) -> torch.device:
    """Return the device that this rank trains on. Collective."""
    if options["device"] == "cpu":
        return torch.device("cpu")
    known = comm.bcast(comm.gather((environment.node(), torch.cuda.device_count())))
    index = own(comm.rank, *zip(*known, strict=True))
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def wait(device: Any) -> None:
    """Wait until a device that computes by itself has done all that it was asked for."""
    if device.type != "cpu":
        torch.accelerator.synchronize()
