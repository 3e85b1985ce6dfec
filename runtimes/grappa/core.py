"""A core of Grappa's model: words at home, delegates that run there, and their aggregation by destination.

A delegate is two words: what to do where, and a value. Those for one core are collected, and travel together
when there are as many as the aggregation says, when the oldest one has waited until the deadline, or when a
phase ends. A message is a word about itself and its delegates, in order; messages to a core keep their order.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import njit

from .. import _clocks
from .._clocks import begun, plain, waited
from .._compiled import address, first_error, invoke
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
    # What is known of the others, and the messages to them, a row a slot; the last row is what arrives. Of
    # messages and of what has its home here, as integers and as floating point.
    others: np.ndarray
    messages: np.ndarray
    message_numbers: np.ndarray
    memory: np.ndarray
    numbers: np.ndarray
    # Full/empty words at home: whether each is full, and its value.
    words: np.ndarray
    # Writes that wait for their word, as word and value.
    pending: np.ndarray
    scratch: np.ndarray


def core(comm: MPI.Intracomm, options: Any, memory: np.ndarray, words: int = 0) -> Core:
    """Return this core, with `memory` (8 bytes an element) and so many empty full/empty words at home."""
    functions = [calls.address(f"MPI_{name}") for name in ("Isend", "Test", "Iprobe", "Recv")]
    clock = address(ctypes.CDLL(None), "clock_gettime")
    messages = np.zeros((comm.size * SLOTS + 1, 1 + 2 * options["aggregate"]), np.int64)
    return Core(
        isend=functions[0],
        test=functions[1],
        iprobe=functions[2],
        recv=functions[3],
        clock=clock,
        sched_yield=_clocks.yielding(),
        comm=calls.handle(comm),
        word=calls.handle(MPI.INT64_T),
        anyone=MPI.ANY_SOURCE,
        source=_place_of_source(),
        rank=comm.rank,
        size=comm.size,
        aggregate=options["aggregate"],
        deadline=1000 * options["deadline"],
        others=np.zeros((comm.size, REQUEST + SLOTS), np.int64),
        messages=messages,
        message_numbers=messages.view(np.float64),
        memory=memory.view(np.int64),
        numbers=memory.view(np.float64),
        words=np.zeros((words, 2)),
        pending=np.zeros((PENDING, 2)),
        scratch=np.zeros(SCRATCH, np.int64),
    )


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


def drain(this: Core) -> None:
    """Return when all messages of this core have left."""
    for to in range(this.size):
        for slot in range(SLOTS):
            check(leave(this, to, slot))


@njit(nogil=True, cache=True)
def delegate(core, to, kind, place, value):
    """Let `to` do something with a floating-point value at a place that has its home there; return an error.

    place: an index of its memory or, for FILL, of its full/empty words.
    """
    row, at = row_and_place(core, to)
    core.message_numbers[row, at + 1] = value
    core.messages[row, at] = KINDS * place + kind
    return collect(core, to)


@njit(nogil=True, cache=True)
def delegate_word(core, to, kind, place, value):
    """As `delegate`, with an integer."""
    row, at = row_and_place(core, to)
    core.messages[row, at + 1] = value
    core.messages[row, at] = KINDS * place + kind
    return collect(core, to)


@njit(nogil=True, cache=True)
def row_and_place(core, to):
    """Return in which message the next delegate for `to` stands, and where."""
    return SLOTS * to + core.others[to, SLOT], 1 + 2 * core.others[to, HELD]


@njit(nogil=True, cache=True)
def collect(core, to):
    """Count the delegate that was added to the message for `to`, which leaves when it is full."""
    about = core.others[to]
    if core.deadline and about[HELD] == 0:
        about[SINCE] = now(core)
    about[HELD] += 1
    return flush(core, to, 0) if about[HELD] == core.aggregate or overdue(core, to) else 0


@njit(nogil=True, cache=True)
def overdue(core, to):
    """Tell whether a delegate for `to` has waited until the deadline."""
    about = core.others[to]
    return core.deadline > 0 and about[HELD] > 0 and now(core) - about[SINCE] >= core.deadline


@njit(nogil=True, cache=True)
def flush(core, to, last):
    """Send what has been collected for `to`; return an error. Meanwhile this core runs what arrives."""
    about = core.others[to]
    held, slot = about[HELD], about[SLOT]
    message, request = core.messages[SLOTS * to + slot], about[REQUEST + slot :].ctypes.data
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
    code, look, about = 0, 0, core.others[to]
    request = about[REQUEST + slot :].ctypes.data
    flag, status = core.scratch.ctypes.data, core.scratch[STATUS:].ctypes.data
    while about[UNDER_WAY + slot] and code == 0:
        core.scratch[0] = 0
        code = invoke(core.test, (request, flag, status))
        if core.scratch[0]:
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
        if last or core.others[to, HELD]:
            code = first_error(code, flush(core, to, last))
    return code


@njit(nogil=True, cache=True)
def now(core):
    """Return the time in nanoseconds."""
    time = core.scratch[TIME:]
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
    code, tag, message = 0, np.int32(TAG), core.messages[-1]
    flag, status = core.scratch.ctypes.data, core.scratch[STATUS:].ctypes.data
    while code == 0:
        core.scratch[0] = 0
        code = invoke(core.iprobe, (np.int32(core.anyone), tag, core.comm, flag, status))
        if not core.scratch[0]:
            return code
        source = core.scratch[STATUS:].view(np.int32)[core.source]
        what = message.ctypes.data, np.int32(message.size), core.word
        code = first_error(code, invoke(core.recv, (*what, source, tag, core.comm, status)))
        code = first_error(code, run(core, message, core.message_numbers[-1]))
        core.others[source, ENDED] += message[0] // LAST
    return code


@njit(nogil=True, cache=True)
def run(core, message, numbers):
    """Run the delegates of a message, which is also there as floating point; return an error."""
    code = 0
    for number in range(message[0] % LAST):
        what, at = message[1 + 2 * number], 2 + 2 * number
        place, kind = what // KINDS, what % KINDS
        if kind == ADD:
            core.numbers[place] += numbers[at]
        elif kind == XOR:
            core.memory[place] ^= message[at]
        elif kind == WRITE:
            core.numbers[place] = numbers[at]
        else:
            code = first_error(code, fill(core, place, numbers[at]))
    return code


@njit(nogil=True, cache=True)
def fill(core, word, value):
    """Write a word that is empty and leave it full (writeEF), now or when it is; return an error.

    Writes keep their order: while one waits, so do all that come after it.
    """
    waiting = core.scratch[WAITING]
    if core.words[word, 0] == 0 and waiting == 0:
        core.words[word, 0], core.words[word, 1] = 1, value
    elif waiting == PENDING:
        return TOO_MANY
    else:
        core.pending[waiting, 0], core.pending[waiting, 1] = word, value
        core.scratch[WAITING] += 1
    return 0


@njit(nogil=True, cache=True)
def fill_pending(core):
    """Let those writes come to pass whose word has become empty, the first of each word."""
    kept = 0
    for number in range(core.scratch[WAITING]):
        word, value = np.int64(core.pending[number, 0]), core.pending[number, 1]
        if core.words[word, 0] == 0:
            core.words[word, 0], core.words[word, 1] = 1, value
        else:
            core.pending[kept, 0], core.pending[kept, 1] = word, value
            kept += 1
    core.scratch[WAITING] = kept


@njit(nogil=True, cache=True)
def is_full(core, word):
    """Tell whether a word at home is full."""
    return core.words[word, 0] != 0


@njit(nogil=True, cache=True)
def read_ff(core, word):
    """Return the value of a word that is known to be full, and leave it so (readFF)."""
    return core.words[word, 1]


@njit(nogil=True, cache=True)
def read_fe(core, word):
    """Return the value of a word that is known to be full, and leave it empty (readFE)."""
    core.words[word, 0] = 0
    return core.words[word, 1]


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
    while core.others[other, ENDED] < times and code == 0:
        look += 1
        code = rest(core, look)
    waited(core.sched_yield, begin, other)
    return code
