"""Where PyTorch computes, and with how many threads."""

from typing import Any

import torch

from prk.runtime import Options


def chosen(options: Options) -> torch.device:
    """Return the device that the options name, the processor where they name none; set its threads."""
    torch.set_num_threads(options["threads"])
    return torch.device(options.get("device", "cpu"))


def wait(device: Any) -> None:
    """Wait until a device that computes by itself has done all that it was asked for."""
    if device.type != "cpu":
        torch.accelerator.synchronize()
