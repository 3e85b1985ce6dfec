"""What is measured: a name, a unit, and which way is better."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["throughput", "latency", "quality", "time to target"]


@dataclass(frozen=True)
class Metric:
    """One figure that a run states of itself.

    `scale` is how many plain units (flop/s, bytes/s, seconds) make one of `unit`, in which PRK's lines and
    the records count. Figures and pages count in `figure_unit`, which is `figure_scale` times as large.
    """

    name: str
    unit: str
    scale: float = 1.0
    larger_is_better: bool = True
    kind: Kind = "throughput"
    figure_unit: str = ""
    figure_scale: float = 1.0

    def of(self, work: float, seconds: float) -> float:
        """Return `work` a second in `unit`; of a latency, the seconds that one unit of work takes."""
        return (work / seconds if self.larger_is_better else seconds / work) / self.scale

    def shown(self, value: float) -> tuple[float, str]:
        """Return a value with its unit as figures and pages state it."""
        return value / self.figure_scale, self.figure_unit or self.unit

    def better(self, a: float, b: float) -> bool:
        """Tell whether `a` is better than `b`."""
        return a > b if self.larger_is_better else a < b

    def ratio(self, value: float, base: float) -> float:
        """Return how many times as good `value` is as `base`; more than 1 is better, whatever the metric."""
        return value / base if self.larger_is_better else base / value


MFLOPS = Metric("rate", "MFlops/s", 1e6, figure_unit="GFlop/s", figure_scale=1e3)
MBYTES = Metric("rate", "MB/s", 1e6, figure_unit="GB/s", figure_scale=1e3)
