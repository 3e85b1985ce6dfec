"""Models by PyTorch, with the threads and on the device that its options name."""

import torch

from prk.models import serial

from . import device


class Kernel(serial.Kernel):
    """This rank's model and batch."""

    def place(self) -> torch.device:
        return device.chosen(self.options)

    def wait(self) -> None:
        device.wait(self.device)
