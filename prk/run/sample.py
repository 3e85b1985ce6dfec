"""One member's times of one case."""

from dataclasses import dataclass

from prk.kernel import Event, Period


@dataclass(frozen=True)
class Sample:
    """One member's times of one case in seconds: compilation, set-up, warm-up, and one timed repetition."""

    compile: float
    setup: float
    warmup: float
    repetition: float
    # Repetitions that were timed: those asked for, or those until the kernel was finished.
    repetitions: int
    # Of each repetition, where the kernel times them itself.
    laps: tuple[float, ...] = ()
    # From the end of the clock until the fields are checked: no work of the kernel's belongs there.
    check: float = 0.0
    # Why what was compiled will be compiled again, if it will.
    unkept: str = ""
    # In seconds since the clock started.
    events: tuple[Event, ...] = ()
    # How the load lay, where the kernel looks at that.
    periods: tuple[Period, ...] = ()
