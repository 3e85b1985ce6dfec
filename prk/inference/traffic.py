"""Queries as MLPerf's LoadGen makes them, or generators of our own, and what a run of them shows."""

import atexit
import json
import math
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from prk.inference.queue import Queue

PERCENTILES = (0.5, 0.9, 0.95, 0.97, 0.99, 0.999)
# How LoadGen calls them, and what its log has of each query: of a sample of each.
SCENARIOS = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "server": "Server",
    "offline": "Offline",
}
PREFIX = ":::MLLOG "


@dataclass(frozen=True)
class Plan:
    """One run of queries: how they arrive, how many at least, for how many seconds at least.

    rate: queries a second of `server`. streams: samples in a query. bound: seconds that an answer may take.
    expected: seconds that a sample takes at least.
    """

    scenario: str
    queries: int
    seconds: float
    seed: int
    percentile: float = 0.9
    rate: float = 0.0
    streams: int = 1
    bound: float = 0.0
    interval: float = 0.0
    expected: float = 1e-3
    accuracy: bool = False


@dataclass(frozen=True)
class Result:
    """What one run showed. latencies: seconds by percentile, of queries."""

    queries: int
    samples: int
    seconds: float
    latencies: dict[float, float] = field(default_factory=dict)
    # The share of queries that were late, or caused intervals to be skipped.
    late: float = 0.0
    # What LoadGen says: whether its own rules are kept, why not, and its estimate after early stopping.
    valid: bool | None = None
    why: str = ""
    early: float | None = None


class Traffic:
    """A run's queries, which go into the queue.

    In a closed run the next query is asked when the last one is answered, so that who asks and who answers
    take turns in one thread. In an open one the clock says when, so that a thread of its own asks.
    """

    closed = True
    # Whether nobody waits for single answers.
    patient = False

    def __init__(self, queue: Queue, samples: int):
        self.queue, self.samples = queue, samples
        self.issued = self.answered = 0
        self.over = False
        self.error: BaseException | None = None
        self.began = self.ended = 0.0

    @property
    def pending(self) -> bool:
        """Tell whether something waits for its answer, or may still be asked."""
        return self.answered < self.issued or not (self.closed or self.over)

    def play(self, serve: Callable[[], None]) -> Result:
        """Ask all queries, and have them answered by `serve`, which returns when nothing is pending."""
        self.serve = serve
        if self.closed:
            self.run()
        else:
            threading.Thread(target=self._run, daemon=True).start()
            serve()
        if self.error:
            raise self.error
        return self.result()

    def _run(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.error = error
        self.over = True
        with self.queue.news:
            self.queue.tell()

    def ask(self, asked: Sequence[tuple[int, int]]) -> None:
        """Put a query's samples into the queue."""
        if not self.issued:
            self.began = time.perf_counter()
        self.issued += len(asked)
        self.queue.put(asked)
        if self.closed:
            self.serve()

    def complete(self, ids: Iterable[int], outputs: np.ndarray) -> None:
        """Take the answers to some samples, a row each."""
        self.ended = time.perf_counter()
        self.answered += len(outputs)
        self.answer(ids, outputs)

    def run(self) -> None:
        """Make all queries, and return when they are answered."""
        raise NotImplementedError

    def answer(self, ids: Iterable[int], outputs: np.ndarray) -> None:
        """Note that some samples are answered."""
        raise NotImplementedError

    def result(self) -> Result:
        """Return what the run showed, once it is over."""
        raise NotImplementedError

    @property
    def seconds(self) -> float:
        """Return the time from the first query to the last answer."""
        return max(self.ended - self.began, 1e-9)


class LoadGen(Traffic):
    """What MLPerf's LoadGen asks; it writes its logs into a folder that does not outlive the run."""

    def __init__(self, queue: Queue, samples: int, plan: Plan):
        super().__init__(queue, samples)
        self.plan = plan
        self.log: dict[str, Any] = {}
        self.library: Any = None
        self.folder = ""
        self.closed = plan.scenario != "server"
        self.patient = plan.scenario == "offline"

    def play(self, serve: Callable[[], None]) -> Result:
        try:
            return super().play(serve)
        except BaseException:
            # Its threads are left where they are, and would end the process by a signal.
            atexit.register(self.leave)
            raise

    def leave(self, code: int = 1) -> None:
        """End a process that has failed, whatever else runs in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def run(self) -> None:
        import mlperf_loadgen as lg

        self.library = lg
        with tempfile.TemporaryDirectory(prefix="prk-loadgen-") as folder:
            self.folder = folder
            logs = lg.LogSettings()
            logs.log_output.outdir = folder
            logs.log_output.copy_summary_to_stdout = False
            logs.enable_trace = False
            system = lg.ConstructSUT(self.issue, self.flush)
            library = lg.ConstructQSL(self.samples, self.samples, self.load, self.load)
            try:
                # Where it looks for settings that override ours: not in the current folder.
                nowhere = str(Path(folder, "audit.config"))
                lg.StartTestWithLogSettings(system, library, self.settings(lg), logs, nowhere)
            finally:
                lg.DestroyQSL(library)
                lg.DestroySUT(system)
            self.log = logged(Path(folder, "mlperf_log_detail.txt").read_text())

    def settings(self, lg: Any) -> Any:
        """Return the plan as LoadGen takes it."""
        p, made = self.plan, lg.TestSettings()
        made.scenario = getattr(lg.TestScenario, SCENARIOS[p.scenario])
        made.mode = lg.TestMode.AccuracyOnly if p.accuracy else lg.TestMode.PerformanceOnly
        # It makes as many queries beforehand as the expected ones need for the least duration.
        expected = max(1, int(p.expected * 1e9))
        made.single_stream_expected_latency_ns = expected
        made.single_stream_target_latency_percentile = p.percentile
        made.multi_stream_expected_latency_ns = max(1, int(p.expected * p.streams * 1e9))
        made.multi_stream_target_latency_percentile = p.percentile
        made.multi_stream_samples_per_query = p.streams
        made.server_target_qps = p.rate or 1.0
        made.server_target_latency_ns = max(1, int(p.bound * 1e9))
        made.server_target_latency_percentile = p.percentile
        made.offline_expected_qps = 1 / p.expected
        made.min_duration_ms = math.ceil(p.seconds * 1e3)
        made.max_duration_ms = 0
        made.min_query_count = p.queries
        made.max_query_count = 0
        # Drawn apart from one another, all from the seed.
        seeds = np.random.default_rng((p.seed, 7)).integers(1, 1 << 62, 3).tolist()
        made.qsl_rng_seed, made.sample_index_rng_seed, made.schedule_rng_seed = seeds
        return made

    def load(self, samples: Any) -> None:
        """All samples are in memory all the time."""

    def flush(self) -> None:
        """A batch that is not full waits no longer than any other."""

    def issue(self, asked: Any) -> None:
        try:
            self.ask([(one.id, one.index) for one in asked])
        except BaseException as error:
            # It would take LoadGen's own threads what they work with.
            sys.excepthook(type(error), error, error.__traceback__)
            self.leave(130 if isinstance(error, KeyboardInterrupt) else 1)

    def answer(self, ids: Iterable[int], outputs: np.ndarray) -> None:
        lg = self.library
        # The numbers stay where they are until this call returns; their `ctypes` take longer to make.
        first, size = outputs.__array_interface__["data"][0], outputs.strides[0]
        places = range(first, first + outputs.nbytes, size)
        lg.QuerySamplesComplete(list(map(lg.QuerySampleResponse, ids, places, repeat(size))))

    def result(self) -> Result:
        streams, log = self.plan.streams, self.log
        kind = "_per_query" if self.plan.scenario == "multi-stream" else ""
        named = {p: f"result_{100 * p:.2f}_percentile{kind}_latency_ns" for p in PERCENTILES}
        latencies = {p: log[name] / 1e9 for p, name in named.items() if name in log}
        early = log.get("early_stopping_latency_ss", log.get("early_stopping_latency_ms"))
        return Result(
            queries=self.issued // streams,
            samples=self.answered,
            seconds=self.seconds,
            latencies=latencies,
            late=log.get("result_overlatency_query_count", 0) / max(1, self.issued),
            valid=log["result_validity"] == "VALID" if "result_validity" in log else None,
            why=str(log.get("result_invalid_reason", "")),
            early=early / 1e9 if early else None,
        )


def logged(text: str) -> dict[str, Any]:
    """Return the last value of each key in LoadGen's detailed log."""
    lines = (line.removeprefix(PREFIX) for line in text.splitlines() if line.startswith(PREFIX))
    return {entry["key"]: entry["value"] for entry in map(json.loads, lines)}


class Own(Traffic):
    """Queries of a generator of our own, each answered before the next one: `asked` are their samples."""

    def __init__(self, queue: Queue, samples: int, asked: Iterable[Sequence[int]]):
        super().__init__(queue, samples)
        self.asked = asked
        self.times: list[float] = []

    def query(self, samples: Sequence[int]) -> None:
        """Ask one query, and have it answered."""
        begin = time.perf_counter()
        self.ask([(0, int(sample)) for sample in samples])
        self.times.append(time.perf_counter() - begin)

    def run(self) -> None:
        for samples in self.asked:
            self.query(samples)

    def answer(self, ids: Iterable[int], outputs: np.ndarray) -> None:
        """Nobody asks for what the answers are."""

    def result(self) -> Result:
        return Result(
            queries=len(self.times),
            samples=self.answered,
            seconds=self.seconds,
            latencies=percentiles(self.times),
        )


class Intervals(Own):
    """The study's multi-stream: N samples in every interval; while a query is not answered, none is asked.

    A query that takes longer than its interval causes the ones that it lasts into to be skipped.
    """

    def __init__(self, queue: Queue, samples: int, plan: Plan):
        super().__init__(queue, samples, ())
        self.plan = plan
        self.skipping = 0

    def run(self) -> None:
        p = self.plan
        draw = np.random.default_rng((p.seed, 8))
        begin, tick = time.perf_counter(), 0
        while len(self.times) < p.queries or time.perf_counter() - begin < p.seconds:
            time.sleep(max(0.0, begin + tick * p.interval - time.perf_counter()))
            self.query(draw.integers(0, self.samples, p.streams).tolist())
            following = int((time.perf_counter() - begin) / p.interval) + 1
            self.skipping += following > tick + 1
            tick = max(following, tick + 1)

    def result(self) -> Result:
        found = super().result()
        return Result(
            found.queries,
            found.samples,
            found.seconds,
            found.latencies,
            self.skipping / max(1, found.queries),
        )


def percentiles(times: Sequence[float]) -> dict[float, float]:
    """Return the times by percentile, as LoadGen counts: that of which so many are below."""
    ordered = sorted(times)
    return {p: ordered[int(len(ordered) * p)] for p in PERCENTILES} if ordered else {}
