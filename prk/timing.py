"""The clock, the same for every runtime: warm up, barrier, timed repetitions."""

import gc
import time
from dataclasses import dataclass
from typing import Any

from numba.core import event


@dataclass(frozen=True)
class Sample:
    """One member's times in seconds: compilation, set-up, warm-up, and one timed repetition."""

    compile: float
    setup: float
    warmup: float
    repetition: float
    # Of each repetition, where the kernel times them itself.
    laps: tuple[float, ...] = ()

    def __add__(self, other: "Sample") -> "Sample":
        """Return the times of two cases that ran one after the other."""
        return Sample(
            self.compile + other.compile,
            self.setup + other.setup,
            self.warmup + other.warmup,
            self.repetition + other.repetition,
        )


class _CompileClock(event.Listener):
    """Add up the time that Numba compiles, wherever in set-up or warm-up it does."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._start = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._start = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._start


def measure(make_kernel: Any, comm: Any, iterations: int) -> tuple[Any, Sample]:
    """Build a kernel, run repetition 0 untimed and `iterations` timed; return the kernel and its times.

    There is one barrier before the clock starts and none while it runs (PRK_SPEC, rules 3 and 4).
    """
    compiling = _CompileClock()
    with event.install_listener("numba:compile", compiling):
        begin = time.perf_counter()
        kernel = make_kernel()
        ready = time.perf_counter()
        in_setup = compiling.seconds
        kernel.repeat(1)
        warm = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        comm.barrier()
        start = time.perf_counter()
        kernel.repeat(iterations)
        seconds = time.perf_counter() - start
    finally:
        gc.enable()
    laps = tuple(float(lap) for lap in kernel.laps[-iterations:])
    in_warmup = compiling.seconds - in_setup
    return kernel, Sample(
        compile=compiling.seconds,
        setup=ready - begin - in_setup,
        warmup=warm - ready - in_warmup,
        repetition=(sum(laps) if laps else seconds) / iterations,
        laps=laps,
    )
