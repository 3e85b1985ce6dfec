"""Clocks around the functions of a C library, and around waits: what all took, and each call if wanted.

For each function LLVM makes one of the same shape here, which reads the clock, calls the real one and reads
the clock again. That takes a tenth of a microsecond; a function in Python would take several, and the
interpreter's lock.
"""

import ctypes
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir

from prk.runtime import Call, Lane, Spent

from .. import _clocks
from .._compiled import address

I32, I64, VOID = ir.IntType(32), ir.IntType(64), ir.VoidType()
# Any function as the machine calls it: arguments of 8 bytes, as many as the longest takes.
ARGUMENTS = 13
# What the machine code adds to, each in a cache line of its own: sums in nanoseconds and the number of calls.
# And what it reads: where calls are noted, and for how many there is room.
COMMUNICATING, WAITING, BUSY, CALLS, NOTED, ROOM = range(6)
LINE = 16
# Words of a noted call: what, begin, end, thread, its arguments, how many requests it names, and these.
WHAT, BEGIN, END, THREAD, FIRST = range(5)
REQUESTS = FIRST + ARGUMENTS
HELD = 14
WIDTH = REQUESTS + 1 + HELD
# What a wait of compiled code is, among the functions.
FLAG = -1
# Waits for flags that are shorter, in nanoseconds, are summed up and not noted one by one.
SHORT = 500


class Watched(NamedTuple):
    """A function that is clocked: where it is, which sum its time belongs to, and the requests that it names.

    A request is made (`made`) or given (`given`): the argument that points to it; several are given where
    another argument (`several`) says how many.
    """

    address: int
    kind: int
    given: int | None = None
    several: int | None = None
    made: int | None = None


class Recorder:
    """What the clocks find in this process; room for so many calls one by one, none for sums alone.

    Another one of the same functions takes its place.
    """

    def __init__(self, functions: Mapping[str, Watched], room: int, request_bytes: int = 8):
        self.names = list(functions)
        self.kinds = [watched.kind for watched in functions.values()]
        self.code = code(tuple(functions.items()), request_bytes)
        self.noted = np.zeros((room, WIDTH), np.int64)
        self.sums, self.lock = self.code.sums, threading.Lock()
        self.sums[:] = 0
        self.sums[[LINE * NOTED, LINE * ROOM]] = self.noted.ctypes.data, room
        self.addresses = {name: self.code.address(f"clocked_{name}") for name in functions}
        self.now, self.waited = self.code.address("now"), self.code.address("waited")
        self._wait = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(self.waited)

    def spent(self) -> Spent:
        """Return the seconds that all threads together have spent so far."""
        return Spent(*(float(self.sums[LINE * kind]) * 1e-9 for kind in (COMMUNICATING, WAITING, BUSY)))

    def wait(self, begin: int, whom: int) -> None:
        """Note a wait that began at `begin` (nanoseconds) and is over now."""
        self._wait(begin, whom)

    def work(self, since: int) -> None:
        """Count a thread besides the first as busy since then, in nanoseconds of the clock."""
        with self.lock:
            self.sums[LINE * BUSY] += time.perf_counter_ns() - since

    def calls(self) -> np.ndarray:
        """Return the calls that are over, in the order in which they began, a row each."""
        held = self.noted[: min(int(self.sums[LINE * CALLS]), len(self.noted))]
        return held[held[:, END] > 0]

    @property
    def full(self) -> bool:
        """Tell whether there were more calls than there is room for."""
        return int(self.sums[LINE * CALLS]) > len(self.noted)


class Clocks:
    """What a recorder tells of this member, where nothing but waits of threads is clocked."""

    def __init__(self, recorder: Recorder):
        self.recorder, self.threads = recorder, {threading.get_ident(): 0}

    def spent(self) -> Spent:
        return self.recorder.spent()

    def lane(self, since: float) -> Lane:
        rows = self.recorder.calls()
        called = [self.call(row) for row in rows[rows[:, BEGIN] >= since * 1e9]]
        return Lane(called, full=self.recorder.full)

    def call(self, row: np.ndarray, name: str = "", **more: Any) -> Call:
        """Return a row as the call that it is; a wait for a flag unless a name is given."""
        whom = int(row[FIRST])
        known = {"thread": self.thread(int(row[THREAD])), **more}
        if row[WHAT] == FLAG:
            name, known["waiting"] = "wait for a flag" if whom < 0 else f"wait for flag {whom}", True
        return Call(float(row[BEGIN]) * 1e-9, float(row[END]) * 1e-9, name, **known)

    def thread(self, ident: int) -> int:
        """Return the number of a thread: 0 the first one's, others as they come."""
        return self.threads.setdefault(ident, len(self.threads))

    def ahead(self) -> float:
        return 0.0


@contextmanager
def clocking(comm: Any, calls: int) -> Iterator[tuple[Any, Clocks]]:
    """Clock the waits of the threads that are started meanwhile; yield the members' team and what tells."""
    recorder = Recorder({}, calls)
    with running(recorder):
        yield comm, Clocks(recorder)


@contextmanager
def running(recorder: Recorder) -> Iterator[None]:
    """Let the teams, windows and heaps that are made meanwhile note their waits."""
    _clocks.noting = recorder
    try:
        yield
    finally:
        _clocks.noting = None


@cache
def code(functions: tuple[tuple[str, Watched], ...], request_bytes: int) -> "Code":
    """Return the machine code that clocks these functions; made once, since others hold its addresses."""
    made = Code(request_bytes)
    for number, (name, watched) in enumerate(functions):
        made.clocked(number, name, watched)
    made.compile()
    return made


class Code:
    """Machine code that clocks functions, and the words that it adds to."""

    def __init__(self, request_bytes: int):
        self.sums = np.zeros(LINE * (ROOM + 1), np.int64)
        self.module = ir.Module("clocks")
        self.request = ir.IntType(8 * request_bytes)
        self.now = self._now()
        self.slot = self._slot()
        self.hold = self._hold()
        self._waited()

    def compile(self) -> None:
        """Make the machine code. Functions this short gain nothing from being optimised."""
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        machine = binding.Target.from_default_triple().create_target_machine(opt=0)
        self.module.triple = machine.triple
        self.module.data_layout = str(machine.target_data)
        self.engine: Any = binding.create_mcjit_compiler(binding.parse_assembly(str(self.module)), machine)
        self.engine.finalize_object()

    def address(self, name: str) -> int:
        return int(self.engine.get_function_address(name))

    def clocked(self, number: int, name: str, watched: Watched) -> None:
        """Make the function that clocks another one."""
        kind = ir.FunctionType(I32, [I64] * ARGUMENTS)
        function, build = self._function(kind, f"clocked_{name}")
        slot = build.call(self.slot, [])
        if watched.given is not None:
            count = function.args[watched.several] if watched.several is not None else I64(1)
            build.call(self.hold, [slot, function.args[watched.given], build.trunc(count, I32)])
        begin = build.call(self.now, [])
        real = build.inttoptr(I64(watched.address), kind.as_pointer())
        code = build.call(real, function.args)
        end = build.call(self.now, [])
        if watched.made is not None:
            build.call(self.hold, [slot, function.args[watched.made], I32(1)])
        self._add(build, watched.kind, build.sub(end, begin))
        self._note(build, slot, number, begin, end, function.args)
        build.ret(code)

    def _function(self, kind: ir.FunctionType, name: str) -> tuple[ir.Function, ir.IRBuilder]:
        function = ir.Function(self.module, kind, name)
        return function, ir.IRBuilder(function.append_basic_block())

    def _now(self) -> ir.Function:
        """Nanoseconds of the clock that time.perf_counter reads."""
        function, build = self._function(ir.FunctionType(I64, []), "now")
        found = build.alloca(I64, 2)
        kind = ir.FunctionType(I32, [I32, I64.as_pointer()]).as_pointer()
        read = build.inttoptr(I64(address(ctypes.CDLL(None), "clock_gettime")), kind)
        build.call(read, [I32(time.CLOCK_MONOTONIC), found])
        seconds, rest = build.load(found), build.load(build.gep(found, [I32(1)]))
        build.ret(build.add(build.mul(seconds, I64(10**9)), rest))
        return function

    def _slot(self) -> ir.Function:
        """The address at which the next call is noted; 0 if there is no room."""
        function, build = self._function(ir.FunctionType(I64, []), "slot")
        number = self._add(build, CALLS, I64(1))
        where = build.add(build.load(self._word(build, NOTED)), build.mul(number, I64(8 * WIDTH)))
        there = build.icmp_unsigned("<", number, build.load(self._word(build, ROOM)))
        build.ret(build.select(there, where, I64(0)))
        return function

    def _hold(self) -> ir.Function:
        """Keep the first requests at an address beside a call: (slot, address, how many)."""
        function, build = self._function(ir.FunctionType(VOID, [I64, I64, I32]), "hold")
        slot, where, count = function.args
        with build.if_then(build.icmp_unsigned("!=", slot, I64(0))):
            self._store(build, slot, REQUESTS, build.zext(count, I64))
            for number in range(HELD):
                with build.if_then(build.icmp_signed("<", I32(number), count)):
                    place = build.add(where, I64(number * self.request.width // 8))
                    held = build.load(build.inttoptr(place, self.request.as_pointer()))
                    wide = held if self.request.width == 64 else build.zext(held, I64)
                    self._store(build, slot, REQUESTS + 1 + number, wide)
        build.ret_void()
        return function

    def _waited(self) -> None:
        """Note that a wait which began then is over: (begin, for whom)."""
        function, build = self._function(ir.FunctionType(VOID, [I64, I64]), "waited")
        begin, whom = function.args
        end = build.call(self.now, [])
        took = build.sub(end, begin)
        self._add(build, WAITING, took)
        with build.if_then(build.icmp_signed(">=", took, I64(SHORT))):
            self._note(build, build.call(self.slot, []), FLAG, begin, end, [whom])
        build.ret_void()

    def _note(self, build: Any, slot: Any, what: int, begin: Any, end: Any, arguments: Any) -> None:
        thread = ir.FunctionType(I64, []).as_pointer()
        with build.if_then(build.icmp_unsigned("!=", slot, I64(0))):
            who = build.call(build.inttoptr(I64(address(ctypes.CDLL(None), "pthread_self")), thread), [])
            for place, value in enumerate((I64(what), begin, end, who, *arguments)):
                self._store(build, slot, place, value)

    def _add(self, build: Any, kind: int, value: Any) -> Any:
        return build.atomic_rmw("add", self._word(build, kind), value, "monotonic")

    def _word(self, build: Any, kind: int) -> Any:
        return build.inttoptr(I64(self.sums.ctypes.data + 8 * LINE * kind), I64.as_pointer())

    @staticmethod
    def _store(build: Any, slot: Any, place: int, value: Any) -> None:
        build.store(value, build.inttoptr(build.add(slot, I64(8 * place)), I64.as_pointer()))
