"""What a repetition takes of a machine, whatever carries it out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The least that one repetition takes.

    Flop and bytes are those of all members together; the bytes move between memory and cores, nothing being
    kept in cache. Messages and their bytes are those that the busiest member sends. `chain` counts the
    messages that wait for one another: as many latencies pass at least.
    """

    flop: float = 0.0
    bytes: float = 0.0
    messages: float = 0.0
    message_bytes: float = 0.0
    chain: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.flop + other.flop,
            self.bytes + other.bytes,
            self.messages + other.messages,
            self.message_bytes + other.message_bytes,
            self.chain + other.chain,
        )

    def __truediv__(self, parts: float) -> "Cost":
        return Cost(
            self.flop / parts,
            self.bytes / parts,
            self.messages / parts,
            self.message_bytes / parts,
            self.chain / parts,
        )
