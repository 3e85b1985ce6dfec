"""A core of Grappa's model: words at home, delegates that run there, and their aggregation by destination.

A delegate is two words: what to do where, and a value. Those for one core are collected, and travel together
when there are as many as the aggregation says, when the oldest one has waited until the deadline, or when a
phase ends. A message is a word about itself and its delegates, in order; messages to a core keep their order.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import carray, njit

from prk.memory import prefetch

from .. import _clocks
from .._clocks import begun, plain, waited
from .._compiled import address, first_error, invoke, pointer
from .._mpi import calls

# What a delegate does with its value: add it as floating point, XOR it, store it; or writeEF.
ADD, XOR, WRITE, FILL = 0, 1, 2, 3
KINDS = 4
# Messages to one core that may be under way: one is filled while the other one leaves.
SLOTS = 2
# Writes of full words that wait until these are empty.
PENDING = 4096
# A message's first word: how many delegates, and whether they are the last ones of a phase.
LAST = 1 << 32
TAG = 71
# A core that has nothing to do gives its processor away after so many looks, and gives up after so many more,
# which are several minutes.
LOOKS, LIMIT = 200, 1 << 31
# What compiled code returns besides MPI's errors.
IN_VAIN, TOO_MANY = -1, -2
CLOCK_MONOTONIC = 1
# What is known of each core: how many delegates for it are collected, since when, in which slot; how many
# phases it has ended; then of each slot, whether its message is under way, and its request.
HELD, SINCE, SLOT, ENDED, UNDER_WAY, REQUEST = 0, 1, 2, 3, 4, 4 + SLOTS
# Delegates between the one that runs and the one whose word is fetched: they come in no order that the
# processor would foresee.
AHEAD = 16
# Of the integers that a core needs besides, the first is MPI's flag; then come a status, the time, and how
# many writes that wait for their word.
STATUS, TIME, WAITING, SCRATCH = 8, 60, 62, 63


class Core(NamedTuple):
    """Everything that compiled code needs of this core; passes into it as it is."""

    isend: int
    test: int
    iprobe: int
    recv: int
    clock: int
    # An address, or a Clocked.
    sched_yield: Any
    comm: Any
    word: Any
    anyone: int
    # Where a status names the sender.
    source: int
    rank: int
    size: int
    # Delegates a message, and nanoseconds until fewer leave; 0: no deadline.
    aggregate: int
    deadline: int
    # Addresses of what a Home keeps, and how much there is of what has its home here.
    others: int
    messages: int
    memory: int
    elements: int
    words: int
    word_count: int
    pending: int
    scratch: int


class Home:
    """What has its home on this core, and its messages: kept here while compiled code has their addresses.

    Of arrays themselves it would count the references at each call: a delegate took 300 ns, not a few.
    """

    def __init__(self, comm: MPI.Intracomm, options: Any, memory: np.ndarray, words: int = 0):
        """Take `memory`, 8 bytes an element, and make so many empty full/empty words."""
        size, aggregate = comm.size, options["aggregate"]
        self.kept = (
            # What is known of each core; the messages to them, a row a slot, and last the one that arrives.
            np.zeros((size, REQUEST + SLOTS), np.int64),
            np.zeros((SLOTS * size + 1, 1 + 2 * aggregate), np.int64),
            memory,
            # Words, whether they are full, and their values; writes that wait, as word and value.
            np.zeros((words, 2)),
            np.zeros((PENDING, 2)),
            np.zeros(SCRATCH, np.int64),
        )
        others, messages, at_home, pairs, pending, scratch = (array.ctypes.data for array in self.kept)
        functions = [calls.address(f"MPI_{name}") for name in ("Isend", "Test", "Iprobe", "Recv")]
        clock = address(ctypes.CDLL(None), "clock_gettime")
        handles = calls.handle(comm), calls.handle(MPI.INT64_T)
        about = [
            *functions, clock, _clocks.yielding(), *handles, MPI.ANY_SOURCE, _place_of_source(),
            comm.rank, size, aggregate, 1000 * options["deadline"],
            others, messages, at_home, memory.size, pairs, words, pending, scratch,
        ]  # fmt: skip
        self.comm, self.core = comm, Core._make(about)

    def drain(self) -> None:
        """Return when all messages of this core have left, and all cores have taken what was for them.

        A core that is still waiting would take those of what comes next for its own. Collective.
        """
        for to in range(self.core.size):
            for slot in range(SLOTS):
                check(leave(self.core, to, slot))
        self.comm.Barrier()


def _place_of_source() -> int:
    """Return where in a status the library keeps the sender, in integers of 4 bytes."""
    status, mark = MPI.Status(), 1234567
    status.Set_source(mark)
    held = (ctypes.c_int32 * (MPI._sizeof(status) // 4)).from_address(MPI._addressof(status))
    return list(held).index(mark)


def check(code: int) -> None:
    """Raise what compiled code returned, if it is an error."""
    if code == IN_VAIN:
        raise RuntimeError("a core waited in vain for another one")
    if code == TOO_MANY:
        raise RuntimeError(f"more than {PENDING} writes wait for their word to be empty")
    calls.succeed(code)


@njit(nogil=True, cache=True)
def others(core):
    """Return what is known of each core."""
    return carray(pointer(core.others), (core.size, REQUEST + SLOTS), np.int64)


@njit(nogil=True, cache=True)
def messages(core):
    """Return the messages as integers."""
    return carray(pointer(core.messages), (SLOTS * core.size + 1, 1 + 2 * core.aggregate), np.int64)


@njit(nogil=True, cache=True)
def message_numbers(core):
    """Return the messages as floating point."""
    return carray(pointer(core.messages), (SLOTS * core.size + 1, 1 + 2 * core.aggregate), np.float64)


@njit(nogil=True, cache=True)
def memory(core):
    """Return what has its home here as integers."""
    return carray(pointer(core.memory), (core.elements,), np.int64)


@njit(nogil=True, cache=True)
def numbers(core):
    """Return what has its home here as floating point."""
    return carray(pointer(core.memory), (core.elements,), np.float64)


@njit(nogil=True, cache=True)
def words(core):
    """Return the full/empty words: whether each is full, and its value."""
    return carray(pointer(core.words), (core.word_count, 2), np.float64)


@njit(nogil=True, cache=True)
def pending(core):
    """Return the writes that wait, as word and value."""
    return carray(pointer(core.pending), (PENDING, 2), np.float64)


@njit(nogil=True, cache=True)
def scratch(core):
    """Return the integers that a core needs besides."""
    return carray(pointer(core.scratch), (SCRATCH,), np.int64)


@njit(nogil=True, cache=True)
def delegate(core, to, kind, place, value):
    """Let `to` do something with a floating-point value at a place that has its home there; return an error.

    place: an index of its memory or, for FILL, of its full/empty words.
    """
    about = others(core)
    row, at = SLOTS * to + about[to, SLOT], 1 + 2 * about[to, HELD]
    messages(core)[row, at] = KINDS * place + kind
    message_numbers(core)[row, at + 1] = value
    about[to, HELD] += 1
    return settle(core, to) if about[to, HELD] == core.aggregate or core.deadline else 0


@njit(nogil=True, cache=True)
def delegate_word(core, to, kind, place, value):
    """As `delegate`, with an integer."""
    about = others(core)
    row, at = SLOTS * to + about[to, SLOT], 1 + 2 * about[to, HELD]
    messages(core)[row, at], messages(core)[row, at + 1] = KINDS * place + kind, value
    about[to, HELD] += 1
    return settle(core, to) if about[to, HELD] == core.aggregate or core.deadline else 0


@njit(nogil=True, cache=True)
def settle(core, to):
    """Send the message for `to`, to which a delegate was added, if it is full or overdue; return an error."""
    about = others(core)[to]
    if core.deadline and about[HELD] == 1:
        about[SINCE] = now(core)
    return flush(core, to, 0) if about[HELD] == core.aggregate or overdue(core, to) else 0


@njit(nogil=True, cache=True)
def overdue(core, to):
    """Tell whether a delegate for `to` has waited until the deadline."""
    about = others(core)[to]
    return core.deadline > 0 and about[HELD] > 0 and now(core) - about[SINCE] >= core.deadline


@njit(nogil=True, cache=True)
def flush(core, to, last):
    """Send what has been collected for `to`; return an error. Meanwhile this core runs what arrives."""
    about = others(core)[to]
    held, slot = about[HELD], about[SLOT]
    message, request = messages(core)[SLOTS * to + slot], about[REQUEST + slot :].ctypes.data
    message[0] = held + last
    where, words, tag = message.ctypes.data, np.int32(1 + 2 * held), np.int32(TAG)
    code = invoke(core.isend, (where, words, core.word, np.int32(to), tag, core.comm, request))
    about[HELD], about[UNDER_WAY + slot], about[SLOT] = 0, 1, (slot + 1) % SLOTS
    # What arrives meanwhile is not left to the library, which would have to keep it.
    code = first_error(code, receive(core))
    # The next one is filled where the one before it has left.
    return first_error(code, leave(core, to, about[SLOT]))


@njit(nogil=True, cache=True)
def leave(core, to, slot):
    """Return when a slot's message has left; return an error. Meanwhile this core runs what arrives."""
    code, look, about = 0, 0, others(core)[to]
    request = about[REQUEST + slot :].ctypes.data
    flag, status = scratch(core).ctypes.data, scratch(core)[STATUS:].ctypes.data
    while about[UNDER_WAY + slot] and code == 0:
        scratch(core)[0] = 0
        code = invoke(core.test, (request, flag, status))
        if scratch(core)[0]:
            about[UNDER_WAY + slot] = 0
        else:
            look += 1
            code = first_error(code, give_way(core, look))
            # The other core may be waiting for this one, as well.
            code = first_error(code, receive(core))
    return code


@njit(nogil=True, cache=True)
def send_all(core, last):
    """Send all that has been collected; with LAST, say to every other core that it was the phase's last."""
    code = 0
    for step in range(1, core.size):
        to = (core.rank + step) % core.size
        if last or others(core)[to, HELD]:
            code = first_error(code, flush(core, to, last))
    return code


@njit(nogil=True, cache=True)
def now(core):
    """Return the time in nanoseconds."""
    time = scratch(core)[TIME:]
    invoke(core.clock, (np.int32(CLOCK_MONOTONIC), time.ctypes.data))
    return 1_000_000_000 * time[0] + time[1]


@njit(nogil=True, cache=True)
def progress(core):
    """Run the delegates that have arrived, and send those that have waited too long; return an error."""
    code = 0
    fill_pending(core)
    if core.deadline:
        for to in range(core.size):
            if overdue(core, to):
                code = first_error(code, flush(core, to, 0))
    return first_error(code, receive(core))


@njit(nogil=True, cache=True)
def receive(core):
    """Run the delegates of all messages that have arrived; return an error."""
    code, tag, message, found = 0, np.int32(TAG), messages(core)[-1], scratch(core)
    flag, status = found.ctypes.data, found[STATUS:].ctypes.data
    while code == 0:
        found[0] = 0
        code = invoke(core.iprobe, (np.int32(core.anyone), tag, core.comm, flag, status))
        if not found[0]:
            return code
        source = found[STATUS:].view(np.int32)[core.source]
        what = message.ctypes.data, np.int32(message.size), core.word
        code = first_error(code, invoke(core.recv, (*what, source, tag, core.comm, status)))
        code = first_error(code, run(core, message, message_numbers(core)[-1]))
        others(core)[source, ENDED] += message[0] // LAST
    return code


@njit(nogil=True, cache=True)
def run(core, message, values):
    """Run the delegates of a message, which is also there as floating point; return an error."""
    code, home, count = 0, numbers(core), message[0] % LAST
    for number in range(count):
        if number + AHEAD < count:
            prefetch(home, message[1 + 2 * (number + AHEAD)] // KINDS)
        what, at = message[1 + 2 * number], 2 + 2 * number
        place, kind = what // KINDS, what % KINDS
        if kind == ADD:
            home[place] += values[at]
        elif kind == XOR:
            memory(core)[place] ^= message[at]
        elif kind == WRITE:
            home[place] = values[at]
        else:
            code = first_error(code, fill(core, place, values[at]))
    return code


@njit(nogil=True, cache=True)
def fill(core, word, value):
    """Write a word that is empty and leave it full (writeEF), now or when it is; return an error.

    Writes keep their order: while one waits, so do all that come after it.
    """
    waiting = scratch(core)[WAITING]
    if words(core)[word, 0] == 0 and waiting == 0:
        words(core)[word, 0], words(core)[word, 1] = 1, value
    elif waiting == PENDING:
        return TOO_MANY
    else:
        pending(core)[waiting, 0], pending(core)[waiting, 1] = word, value
        scratch(core)[WAITING] += 1
    return 0


@njit(nogil=True, cache=True)
def fill_pending(core):
    """Let those writes come to pass whose word has become empty, the first of each word."""
    kept = 0
    for number in range(scratch(core)[WAITING]):
        word, value = np.int64(pending(core)[number, 0]), pending(core)[number, 1]
        if words(core)[word, 0] == 0:
            words(core)[word, 0], words(core)[word, 1] = 1, value
        else:
            pending(core)[kept, 0], pending(core)[kept, 1] = word, value
            kept += 1
    scratch(core)[WAITING] = kept


@njit(nogil=True, cache=True)
def is_full(core, word):
    """Tell whether a word at home is full."""
    return words(core)[word, 0] != 0


@njit(nogil=True, cache=True)
def read_ff(core, word):
    """Return the value of a word that is known to be full, and leave it so (readFF)."""
    return words(core)[word, 1]


@njit(nogil=True, cache=True)
def read_fe(core, word):
    """Return the value of a word that is known to be full, and leave it empty (readFE)."""
    words(core)[word, 0] = 0
    return words(core)[word, 1]


@njit(nogil=True, cache=True)
def rest(core, look):
    """Run what has arrived; after many vain looks give the processor away. Return an error."""
    return first_error(give_way(core, look), progress(core))


@njit(nogil=True, cache=True)
def give_way(core, look):
    """Give the processor away after many vain looks; return an error after far too many."""
    if look % LOOKS == LOOKS - 1:
        invoke(plain(core.sched_yield), ())
    return IN_VAIN if look > LIMIT else 0


@njit(nogil=True, cache=True)
def complete(core, other, times):
    """Wait until another core has ended `times` phases: all that it delegated here then has run.

    Return an error.
    """
    code, look, begin = 0, 0, begun(core.sched_yield)
    while others(core)[other, ENDED] < times and code == 0:
        look += 1
        code = rest(core, look)
    waited(core.sched_yield, begin, other)
    return code
