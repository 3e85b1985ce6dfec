"""The clock of the rules: it starts before anybody touches training data, and never pauses."""

import time

from prk.team import Team


class Clock:
    """One member's clock of a training: untimed initialisation first, then everything."""

    def __init__(self) -> None:
        self.begun, self.origin = time.time(), time.perf_counter()
        # Seconds since then when training data could first be touched.
        self.start = 0.0

    def run(self, team: Team) -> None:
        """Start, on the first member before all others go on. Collective."""
        team.barrier()
        self.start = time.perf_counter() - self.origin
        team.bcast(None)

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self.origin - self.start
