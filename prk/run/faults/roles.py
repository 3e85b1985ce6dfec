"""Who computes which part after some members are gone. Pure, so that all who are left say the same."""

from collections.abc import Callable, Sequence


def filled(slots: Sequence[int], living: Sequence[int]) -> tuple[int, ...] | None:
    """Return the members in the same slots, with spares where one is gone; None if there are too few spares.

    Members are named by their numbers when the run started.
    """
    spares = [m for m in living if m not in slots]
    found = []
    for member in slots:
        if member not in living:
            if not spares:
                return None
            member = spares.pop(0)
        found.append(member)
    return tuple(found)


def shrunk(
    slots: Sequence[int], living: Sequence[int], fits: Callable[[int], bool]
) -> tuple[int, ...] | None:
    """Return those that compute from now on: as many of the living as the problem can be divided over.

    Those that computed keep their order; the others wait. None if not even one can run the problem.
    """
    left = [m for m in slots if m in living]
    left += [m for m in living if m not in left]
    size = next((n for n in range(len(left), 0, -1) if fits(n)), 0)
    return tuple(left[:size]) or None
