"""The clock, the same for every runtime: warm up, barrier, timed repetitions."""

import gc
import time
from collections.abc import Callable
from typing import Any

from prk.kernel import Kernel
from prk.problem import Problem
from prk.run import compile_cache
from prk.run.sample import Sample
from prk.team import Team

# How much longer than the clock a kernel's own laps may seem, by the rounding of their sum.
ROUNDING = 1e-9


def measure(
    make_kernel: Callable[[], Kernel[Any]], comm: Team, problem: Problem
) -> tuple[Kernel[Any], Sample]:
    """Build a kernel, run repetition 0 untimed and the others timed; return the kernel and its times.

    There is one barrier before the clock starts and none while it runs (PRK_SPEC, rules 3 and 4).
    """
    with compile_cache.watched() as compiling:
        begin = time.perf_counter()
        kernel = make_kernel()
        ready = time.perf_counter()
        in_setup = compiling.seconds
        kernel.repeat(1)
        warm = time.perf_counter()
    # What the imports left is no garbage: it is not looked at here, nor at the exit (0.09 CPU seconds).
    gc.freeze()
    gc.collect()
    gc.disable()
    try:
        comm.barrier()
        start = time.perf_counter()
        kernel, done = _repeat(kernel, problem)
        seconds = time.perf_counter() - start
    finally:
        gc.enable()
    laps = tuple(float(lap) for lap in kernel.laps[1:])
    if laps and (len(laps) != done or min(laps) < 0 or sum(laps) > seconds * (1 + ROUNDING)):
        raise RuntimeError(
            f"{len(laps)} laps of {sum(laps):.6f} s cannot be true of {done} repetitions in {seconds:.6f} s"
        )
    in_warmup = compiling.seconds - in_setup
    return kernel, Sample(
        compile=compiling.seconds,
        setup=ready - begin - in_setup,
        warmup=warm - ready - in_warmup,
        repetition=(sum(laps) if laps else seconds) / done,
        repetitions=done,
        laps=laps,
        unkept=compile_cache.warning(),
        events=tuple(e._replace(seconds=e.seconds - start) for e in kernel.events),
        periods=tuple(kernel.periods),
    )


def _repeat(kernel: Kernel[Any], problem: Problem) -> tuple[Kernel[Any], int]:
    """Run the timed repetitions, with what is left of the team where a kernel can recover; count them."""
    done = 0
    while True:
        try:
            if not problem.open_ended:
                kernel.repeat(problem.iterations - done)
                return kernel, problem.iterations
            while done < problem.iterations and not kernel.finished():
                kernel.repeat(1)
                done += 1
            return kernel, max(done, 1)
        except Exception as error:
            # Without the warm-up, which a kernel counts too.
            kernel, done = kernel.recover(kernel.comm, error)
            done -= 1
