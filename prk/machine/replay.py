"""What a schedule takes: its steps replayed, with a clock a rank, on a LogGP machine. Pure, compiled.

A rank's clock advances by its work (with noise), by the overhead of what it sends and receives, and to the
arrival of what it waits for. Ranks of a node share its memory, and what leaves a node at the same time its
injection. The noise is drawn from one seed: the same schedule on the same machine gives the same seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import numpy as np
from numba import njit

from prk.machine.bounds import used
from prk.machine.model import DISTANCES, Model, Rates
from prk.schedule import (
    BARRIER,
    FLAG,
    FLUSHED,
    GOT,
    ORDERED,
    POSTED,
    SEND,
    Exchange,
    Fastest,
    Layout,
    Meanwhile,
    Meeting,
    Pipeline,
    Shifts,
    Step,
    Work,
)

# Repetitions after the first that are replayed, where that costs little, and how much is little: messages.
REPETITIONS, LITTLE = 12, 20_000_000


@dataclass(frozen=True)
class Places:
    """Where each rank is: number of its socket, node and group of nodes, over all the machine."""

    socket: np.ndarray
    node: np.ndarray
    group: np.ndarray

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return how far ranks are apart, as places in DISTANCES."""
        return sum(  # type: ignore[no-any-return]
            (where[a] != where[b]).astype(np.int64) for where in (self.socket, self.node, self.group)
        )


def places(model: Model, layout: Layout, each: int = 1) -> Places:
    """Return where ranks are that fill nodes in order, or the threads of all ranks, `each` a rank."""
    cores, sockets = int(model["node.cores"]), int(model["node.sockets"])
    member = np.arange(layout.ranks * each)
    node, core = np.divmod(member, layout.each * each)
    # Ranks with threads begin that many cores apart; more than there are cores share them.
    core = core * (layout.threads if each == 1 else 1) % cores
    socket = node * sockets + core * sockets // cores
    of_group = int(model["node.of_group"])
    return Places(*(np.ascontiguousarray(a, np.int32) for a in (socket, node, node // of_group)))


class Replay:
    """The clocks of a layout's ranks on a machine; `rates` are what the kernel's computation was measured at.

    amount: the bytes (or flop, where there are none) of a core in a repetition, at which rates are taken.
    """

    def __init__(self, model: Model, layout: Layout, rates: Rates | None, amount: float, in_bytes: bool):
        self.model, self.layout = model, layout
        self.clock = np.zeros(layout.ranks)
        self.places = places(model, layout)
        names = ("latency", "overhead", "gap", "bandwidth")
        table = [[model[f"distance.{d}.{name}"] for name in names] for d in DISTANCES]
        flags = [model[f"distance.{d}.flag"] for d in DISTANCES[:2]]
        # Of each distance: latency, overhead, gap, seconds a byte, and a flag's latency.
        self.net = np.array([[*row[:3], 1 / row[3], 0.0] for row in table])
        self.net[:2, 4] = flags
        self.injection = np.array([1 / model["injection.bandwidth"], model["injection.gap"]])
        self.noise = np.array([model["noise.rate"], model["noise.duration"]])
        self.in_bytes = in_bytes
        self.rate = self._rate(rates, amount)
        self.noises = np.random.default_rng(1)

    def _rate(self, rates: Rates | None, amount: float) -> tuple[float, float]:
        """Return the bytes and the flop a second of one rank, when all ranks compute."""
        model, cores = self.model, int(self.model["node.cores"])
        busy = min(self.layout.each * self.layout.threads, cores)
        memory = model["memory.core_bandwidth"], model["memory.bandwidth"]
        flops = model["arithmetic.core_flops"], model["arithmetic.flops"]
        if rates:
            core, node = rates.of(amount)
            if self.in_bytes:
                memory, flops = (core, node * cores), (np.inf, np.inf)
            else:
                memory, flops = (np.inf, np.inf), (core, node * cores)
        per_node = [used(busy, cores, *pair) for pair in (memory, flops)]
        return per_node[0] / self.layout.each, per_node[1] / self.layout.each

    def repetition(self, steps: Sequence[Step]) -> None:
        """Let all ranks take the steps once."""
        for step in steps:
            self.take(step)

    def seconds_of(self, work_bytes: Any, flop: Any = 0.0) -> Any:
        """Return the seconds of work, of whatever shape."""
        return np.maximum(np.divide(work_bytes, self.rate[0]), np.divide(flop, self.rate[1]))

    @singledispatchmethod
    def take(self, step: Any) -> None:
        """Advance the clocks over one step."""
        raise TypeError(f"there is no replay of {step}")

    @take.register
    def _(self, step: Work) -> None:
        seconds = np.broadcast_to(self.seconds_of(step.bytes, step.flop), self.clock.shape)
        compute(self.clock, np.ascontiguousarray(seconds), self.noise, self.noises)

    @take.register
    def _(self, step: Exchange) -> None:
        if len(step.source):
            where = self.places.socket, self.places.node, self.places.group
            way = WAYS.index(step.way)
            exchange(
                self.clock,
                step.source,
                step.to,
                step.size,
                way,
                step.completed,
                *where,
                self.net,
                self.injection,
            )

    @take.register
    def _(self, step: Meeting) -> None:
        groups = self.clock.reshape(-1, step.members)
        groups[:] = groups.max(axis=1, keepdims=True) + self.meeting(step.members, step.way)

    def meeting(self, members: int, way: str) -> float:
        """Return the seconds from the last one's entry until all of so many consecutive ranks may leave."""
        if members == 1 or not way:
            return 0.0
        inside = min(members, self.layout.each)
        near = int(self.places.distance(np.array([0]), np.array([inside - 1]))[0])
        latency, overhead, _, _, flag = self.net[near]
        if way == FLAG:
            return float((members - 1) * flag)
        if way == SEND:
            return float((members - 1) * 2 * overhead + latency)
        # Who has heard of whom doubles in each round: first in the nodes, then among them.
        far = int(self.places.distance(np.array([0]), np.array([members - 1]))[0])
        rounds = (inside - 1).bit_length(), (-(-members // inside) - 1).bit_length()
        return float(
            sum(n * (2 * self.net[d][1] + self.net[d][0]) for n, d in zip(rounds, (near, far), strict=True))
        )

    @take.register
    def _(self, step: Shifts) -> None:
        if not len(step.shifts):
            return
        first = np.arange(step.units) * step.members
        clock = self.clock.reshape(step.units, step.members).max(axis=1)
        where = [
            np.ascontiguousarray(a[first]) for a in (self.places.socket, self.places.node, self.places.group)
        ]
        near = max(1, self.layout.each // step.members)
        fence = self.meeting(self.layout.ranks, BARRIER) if step.fence else 0.0
        work = self.seconds_of(step.pack), self.seconds_of(step.unpack)
        around(
            clock, step.shifts % step.units, near, int(step.size.max()), int(step.pieces.max()),
            len(step.senders), np.array([*work, self.meeting(step.members, step.meeting), fence]),
            step.bundle if step.fence else 0, WAYS.index(step.way), step.answered, step.members,
            *where, self.net, self.injection, self.noise, self.noises,
        )  # fmt: skip
        self.clock[:] = np.repeat(clock, step.members)

    @take.register
    def _(self, step: Pipeline) -> None:
        hops = self.hops(step)
        messages = -(-(step.lines - 1) // step.group)
        each = self.seconds_of(16.0 * step.group * step.width * step.threads)
        end = through(messages, each, *hops, self.noise, self.noises)
        # The corner ends it for all.
        self.clock[:] = self.clock.max() + end

    def hops(self, step: Pipeline) -> tuple[np.ndarray, ...]:
        """Return what a message takes each member before it leaves, on its way, after, and the receiver.

        Last, what the answer takes that lets the next one be sent; less than 0 where none is awaited.
        """
        size = len(step.width)
        where = places(self.model, self.layout, step.threads)
        member = np.arange(size)
        distance = where.distance(member, np.roll(member, -1))
        latency, overhead, _, per_byte, flag = self.net[distance].T
        # As `message` has it.
        one, back = np.where(distance < 2, flag, latency), np.where(distance < 2, 0.0, 2 * latency)
        transfer = 8.0 * step.group * per_byte
        way = np.array(step.way)
        zero = np.zeros(size)
        named = {
            SEND: (overhead, latency + transfer, zero, overhead),
            POSTED: (2 * overhead, one + transfer, zero, 2 * overhead),
            FLUSHED: (2 * overhead + back + transfer, one, back, overhead),
            ORDERED: (2 * overhead, one + transfer, zero, overhead),
            FLAG: (zero, flag, zero, zero),
        }
        found = [
            np.select([way == name for name in named], [costs[k] for costs in named.values()])
            for k in range(4)
        ]
        before, flight, after, accept = found
        answer = np.where(way == POSTED, one + overhead, -1.0)
        if size == 1:
            before, flight, after, accept = (zero,) * 4
        return before, flight, after, np.roll(accept, 1), answer

    @take.register
    def _(self, step: Fastest) -> None:
        start, ends = self.clock, []
        for steps in step.alternatives:
            self.clock = start.copy()
            self.repetition(steps)
            ends.append(self.clock)
        self.clock = min(ends, key=lambda clock: float(clock.max()))

    @take.register
    def _(self, step: Meanwhile) -> None:
        begin = self.clock.copy()
        self.take(step.work)
        computed, took = self.clock, self.clock - begin
        self.clock = begin
        for ready, steps in zip(step.ready, step.parts, strict=True):
            self.clock = np.maximum(self.clock, begin + ready * took)
            self.repetition(steps)
        self.clock = np.maximum(self.clock, computed)


WAYS = (SEND, ORDERED, FLUSHED, GOT, FLAG, POSTED)
_SEND, _ORDERED, _FLUSHED, _GOT, _FLAG = range(5)


def seconds(
    model: Model, layout: Layout, steps: Sequence[Step], rates: Rates | None, amount: float, in_bytes: bool
) -> float:
    """Return the seconds of a repetition: the first one's, from rest, where that is long; else the next's."""
    replay = Replay(model, layout, rates, amount, in_bytes)
    replay.repetition(steps)
    first = float(replay.clock.max())
    if any(isinstance(step, Pipeline) for step in steps) or _messages(steps) > LITTLE:
        return first
    for _ in range(REPETITIONS):
        replay.repetition(steps)
    return (float(replay.clock.max()) - first) / REPETITIONS


def _messages(steps: Sequence[Step]) -> int:
    """Return about how many messages a replay of the steps goes through."""
    found = 0
    for step in steps:
        if isinstance(step, Exchange):
            found += len(step.source)
        elif isinstance(step, Shifts):
            found += len(step.shifts) * step.units
        elif isinstance(step, Fastest):
            found += sum(map(_messages, step.alternatives))
        elif isinstance(step, Meanwhile):
            found += sum(map(_messages, step.parts))
    return found


@njit(nogil=True, cache=True)
def delays(expected, duration, rng):
    """Return the delay of a span in which so many interruptions are expected, of a mean duration each."""
    total = 0.0
    for _ in range(rng.poisson(expected)):
        total += rng.exponential(duration)
    return total


@njit(nogil=True, cache=True)
def compute(clock, seconds, noise, rng):
    """Advance each rank by its work and by what interrupts it."""
    for r in range(clock.size):
        clock[r] += seconds[r] + delays(noise[0] * seconds[r], noise[1], rng)


@njit(nogil=True, cache=True)
def apart(a, b, socket, node, group):
    """Return how far two ranks are apart."""
    return int(socket[a] != socket[b]) + int(node[a] != node[b]) + int(group[a] != group[b])


@njit(nogil=True, cache=True)
def message(way, size, distance, share, net, injection):
    """Return what a message takes: of its sender before it leaves and after, on its way, and of its receiver.

    share: the messages that leave the node together.
    """
    latency, overhead, _, per_byte, flag = net[distance]
    transfer = size * per_byte
    # Inside a node the library itself stores what is put: as a flag is, and nothing is left to be flushed.
    one, back = flag, 0.0
    if distance >= 2:
        one, back = latency, 2 * latency
        transfer = max(transfer, share * max(size * injection[0], injection[1]))
    if way == _FLAG:
        return 0.0, flag, 0.0, 0.0
    if way == _ORDERED:
        return overhead, one + transfer, 0.0, 0.0
    if way == _FLUSHED:
        return 2 * overhead + back + transfer, one, back, overhead
    if way == _GOT:
        return overhead, one + back / 2 + transfer, 0.0, 0.0
    return overhead, latency + transfer, 0.0, overhead


@njit(nogil=True, cache=True)
def exchange(clock, source, to, size, way, completed, socket, node, group, net, injection):
    """Let every rank send all of its messages and then receive all of its own."""
    ranks, count = clock.size, source.size
    leaving = np.zeros(node[-1] + 1, np.int64)
    last = -1
    for m in range(count):
        # A rank counts once: its messages follow one another.
        if node[source[m]] != node[to[m]] and source[m] != last:
            leaving[node[source[m]]] += 1
            last = source[m]
    arrived, taking, done = np.zeros(ranks), np.zeros(ranks), np.zeros(ranks)
    last, left = -1, 0.0
    for m in range(count):
        s, r = source[m], to[m]
        d = apart(s, r, socket, node, group)
        before, flight, after, accept = message(way, size[m], d, leaving[node[s]], net, injection)
        leave = clock[s] + before
        if s == last and way != _FLAG:
            leave = max(leave, left + net[d, 2])
        last, left = s, leave
        clock[s] = leave + after
        arrived[r] = max(arrived[r], leave + flight + accept)
        taking[r] += accept
        if completed:
            done[s] = max(done[s], leave + flight + (net[d, 0] if d >= 2 else 0.0))
    for r in range(ranks):
        clock[r] = max(max(clock[r] + taking[r], arrived[r]), done[r])


@njit(nogil=True, cache=True)
def around(
    clock, shifts, near, size, pieces, senders, spans, bundle, way, answered, members,
    socket, node, group, net, injection, noise, rng,
):  # fmt: skip
    """Let units exchange phase by phase; spans: seconds of packing, unpacking, a meeting, and all ranks' one.

    near: the units of a node; bundle: the phases between two meetings of all ranks, 0 for none.
    """
    units = clock.size
    pack, unpack, meet, fence = spans
    leave = np.empty(units)
    before, flight, after, accept = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4)
    busy, due, event = 0.0, 0.0, rng.exponential(1.0)
    for phase in range(shifts.size):
        s = shifts[phase]
        # As many of a node's units send to others as the shift is long.
        share = min(min(s, units - s), near) * senders
        for d in range(4):
            before[d], flight[d], after[d], accept[d] = message(way, size, d, share, net, injection)
            before[d] *= pieces
            accept[d] *= pieces
            if answered:
                accept[d] += net[d, 1] + (2 * net[d, 0] if way == _FLUSHED and d >= 2 else 0.0)
        busy = pack + unpack + before[0]
        # Interruptions are few among all units: only those that are hit are looked at.
        due += noise[0] * busy * units * members
        while event < due:
            clock[rng.integers(0, units)] += rng.exponential(noise[1])
            event += rng.exponential(1.0)
        if bundle:
            _together(
                clock,
                leave,
                s,
                phase,
                bundle,
                shifts.size,
                pack,
                unpack,
                fence,
                before,
                flight,
                socket,
                node,
                group,
            )
            continue
        for begin, other, count in (s, 0, units - s), (0, units - s, s):
            pair = _pair(begin, other, count, socket, node, group)
            _leave(leave[begin : begin + count], clock[begin : begin + count], pack + meet, before, pair)
        for begin, other, count in (0, s, units - s), (units - s, 0, s):
            pair = _pair(begin, other, count, socket, node, group)
            own, theirs = leave[begin : begin + count], leave[other : other + count]
            _receive(clock[begin : begin + count], own, theirs, unpack + meet, flight, after, accept, pair)


@njit(nogil=True, cache=True)
def _pair(begin, other, count, socket, node, group):
    """Return where so many consecutive units are, from `begin` on, and where those from `other` on."""
    return (
        socket[begin : begin + count],
        socket[other : other + count],
        node[begin : begin + count],
        node[other : other + count],
        group[begin : begin + count],
        group[other : other + count],
    )


# A figure by the distance is a sum of steps here, not an element of a table: so the loops become vectors, for
# the 1.7e10 messages of 131,072 ranks.
@njit(nogil=True, cache=True)
def _leave(leave, clock, span, before, pair):
    """Let units send after a span."""
    s0, s1, n0, n1, g0, g1 = pair
    b0, b1, b2, b3 = before[0] + span, before[1] - before[0], before[2] - before[1], before[3] - before[2]
    for u in range(leave.size):
        x = 1.0 if s0[u] != s1[u] else 0.0
        y = 1.0 if n0[u] != n1[u] else 0.0
        z = 1.0 if g0[u] != g1[u] else 0.0
        leave[u] = clock[u] + (b0 + x * b1 + y * b2 + z * b3)


@njit(nogil=True, cache=True)
def _receive(clock, own, theirs, span, flight, after, accept, pair):
    """Let units receive from those that left at `theirs`, and unpack."""
    s0, s1, n0, n1, g0, g1 = pair
    f0, f1, f2, f3 = flight[0], flight[1] - flight[0], flight[2] - flight[1], flight[3] - flight[2]
    a0, a1, a2, a3 = after[0], after[1] - after[0], after[2] - after[1], after[3] - after[2]
    c0, c1, c2, c3 = accept[0] + span, accept[1] - accept[0], accept[2] - accept[1], accept[3] - accept[2]
    for u in range(clock.size):
        x = 1.0 if s0[u] != s1[u] else 0.0
        y = 1.0 if n0[u] != n1[u] else 0.0
        z = 1.0 if g0[u] != g1[u] else 0.0
        there = theirs[u] + (f0 + x * f1 + y * f2 + z * f3)
        sent = own[u] + (a0 + x * a1 + y * a2 + z * a3)
        clock[u] = (there if there > sent else sent) + (c0 + x * c1 + y * c2 + z * c3)


@njit(nogil=True, cache=True)
def _together(
    clock, arrival, s, phase, bundle, phases, pack, unpack, fence, before, flight, socket, node, group
):  # fmt: skip
    """Do one phase of a bundle between two meetings of all ranks; all blocks are packed before the first."""
    units = clock.size
    first = phase % bundle == 0
    count = min(bundle, phases - phase + phase % bundle)
    if first:
        # What was under way is there, and all have packed.
        start = 0.0
        for u in range(units):
            start = max(start, clock[u])
            arrival[u] = 0.0
        clock[:] = start + count * pack + fence
    for u in range(units):
        to = u - s if u >= s else u - s + units
        d = apart(u, to, socket, node, group)
        clock[u] += before[d]
        arrival[to] = max(arrival[to], clock[u] + flight[d])
    if phase % bundle == bundle - 1 or phase == phases - 1:
        end = 0.0
        for u in range(units):
            end = max(end, max(clock[u], arrival[u]))
        clock[:] = end + fence + count * unpack


@njit(nogil=True, cache=True)
def through(lines, each, before, flight, after, accept, answer, noise, rng):
    """Return when the corner is back at the first member after so many messages a member.

    each: seconds of computing a message's lines. The arrays are a member each.
    """
    size = each.size
    clock, free = np.zeros(size), np.zeros(size + 1)
    # The first member hears of nobody: what it accepts is the corner.
    span = accept + each
    span[0] = each[0]
    along = before + flight
    behind = before + after
    # The last member sends nothing but the corner.
    behind[size - 1] = 0.0
    answered = np.any(answer >= 0)
    expected = noise[0] * np.sum(span + behind)
    due, event = 0.0, rng.exponential(1.0)
    arrival = 0.0
    for _ in range(lines):
        due += expected
        while event < due:
            clock[rng.integers(0, size)] += rng.exponential(noise[1])
            event += rng.exponential(1.0)
        arrival = 0.0
        if answered:
            for r in range(size):
                heard = max(clock[r], arrival) + accept[r] * (r > 0)
                if r > 0 and answer[r - 1] >= 0:
                    free[r - 1] = heard + answer[r - 1]
                done = max(heard + each[r], free_before(free, r, answer))
                clock[r] = done + behind[r]
                arrival = done + along[r]
        else:
            for r in range(size):
                done = max(clock[r], arrival) + span[r]
                clock[r] = done + behind[r]
                arrival = done + along[r]
    return arrival + accept[0]


@njit(nogil=True, cache=True)
def free_before(free, r, answer):
    """Return when a member may send again."""
    return free[r] if answer[r] >= 0 else 0.0
