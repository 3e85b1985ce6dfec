"""AMR on Dask: members have pieces of the refinements, or tasks that Dask places update bands of them."""

from collections.abc import Mapping
from typing import Any

from prk.amr import serial
from prk.amr.problem import Amr

from .._tagged import amr
from .refined import Tasks


class Members(amr.Kernel):
    """One worker's share."""


def Kernel(problem: Amr, comm: Any, options: Mapping[str, Any]) -> serial.Kernel:
    """Return this member's share, in the variant that the options name."""
    return (Tasks if options["variant"] == "tasks" else Members)(problem, comm, options)
