"""From a sweep to its points and the order of their launches; nothing is started here."""

import contextlib
import itertools
import random
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.abc import MetaPathFinder
from types import SimpleNamespace
from typing import Any

from prk import record, runtime
from prk.harness.sweep import LAYOUT, Block, Foreign, Sweep, known
from prk.problem import Problem, Refusal, rate

VERSION = 1
COMMUNICATION = ("mpi4py.MPI", "shmem4py", "charm4py", "distributed")


@dataclass(frozen=True)
class Point:
    """One thing to measure: what runs, on which layout. Its launches are the repeats."""

    id: str
    kernel: str
    runtime: str
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]
    layout: Mapping[str, int]
    variant: str
    figure: str
    conforming: bool
    # Of one repetition: what the rate counts, and the least bytes moved to memory (0: that is no bound).
    work: int
    unit: str
    traffic: int
    # The command template of a foreign program; empty for the package's own runtimes.
    foreign: str = ""

    @property
    def cores(self) -> int:
        return self.layout["ranks"] * self.layout["threads"]

    @property
    def label(self) -> str:
        """Return the runtime with what sets it apart from its standard run."""
        return f"{self.runtime} {self.variant}".strip()

    def rate(self, seconds: float) -> float:
        """Return the rate in the point's unit."""
        return rate(self.work, seconds, self.unit)

    def __str__(self) -> str:
        size = " ".join(f"{k}={v}" for k, v in self.parameters.items())
        where = " ".join(f"{k}={v}" for k, v in self.layout.items() if k != "ranks_per_node")
        return f"{self.kernel} {self.label} {where} {size}"


@dataclass(frozen=True)
class Plan:
    """The points of a sweep, those left out with the reason, and the shuffled order of the launches."""

    name: str
    title: str
    repeat: int
    timeout: float
    seed: int
    points: tuple[Point, ...]
    # (index of the point, number of the repeat), in the order in which they run.
    order: tuple[tuple[int, int], ...]
    excluded: tuple[Mapping[str, str], ...] = ()
    launcher: str = ""
    machine: bool = False
    schema: int = field(default=VERSION)

    def table(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return asdict(self)

    @staticmethod
    def of(table: Mapping[str, Any]) -> "Plan":
        """Return the plan that `table` was made from. Raises ValueError if it is not one."""
        if table.get("schema") != VERSION:
            raise ValueError(f"it has schema {table.get('schema')}, this prk reads {VERSION}")
        try:
            points = tuple(Point(**p) for p in table["points"])
            order = tuple((p, r) for p, r in table["order"])
            return Plan(**{**table, "points": points, "order": order, "excluded": tuple(table["excluded"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is not a plan ({error})") from None


def make(sweep: Sweep) -> Plan:
    """Return the plan of a sweep. Raises Refusal, with file and key, for whatever cannot be run."""
    points: dict[str, Point] = {}
    excluded: list[dict[str, str]] = []
    for block in sweep.blocks:
        before = len(points)
        for point in _Expansion(sweep, block, excluded).points():
            if point.id in points:
                raise Refusal(block.where, f"the point is there twice: {point}", "leave one of them out")
            points[point.id] = point
        absent = all(runtime.problem_class(kernel).missing() for kernel in block.axes["kernel"])
        if len(points) == before and not absent:
            raise Refusal(
                block.where, "no point is left of it", "see its exclude, and python -m prk for what can run"
            )
    seed = random.SystemRandom().randrange(2**31) if sweep.seed is None else sweep.seed
    kept = tuple(points.values())
    return Plan(
        name=sweep.name,
        title=sweep.title,
        repeat=sweep.repeat,
        timeout=sweep.timeout,
        seed=seed,
        points=kept,
        order=shuffled(kept, sweep.repeat, seed),
        excluded=tuple(excluded),
        launcher=sweep.launcher,
        machine=sweep.machine,
    )


def shuffled(points: Sequence[Point], repeat: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Return every (point, repeat) once: each repeat a round of its own, in random order.

    Points that differ only by runtime and options follow one another, in random order too, so that
    whatever drifts on the machine meets all of them: a paired comparison.
    """
    random_order = random.Random(seed)
    groups: dict[Any, list[int]] = {}
    for index, p in enumerate(points):
        same = (p.kernel, tuple(p.parameters.items()), p.cores, p.layout["nodes"])
        groups.setdefault(same, []).append(index)
    order = []
    for number in range(repeat):
        rounds = list(groups.values())
        random_order.shuffle(rounds)
        for group in rounds:
            order += [(index, number) for index in random_order.sample(group, len(group))]
    return tuple(order)


def combinations(
    axes: Mapping[str, Sequence[Any]], zips: Sequence[Sequence[str]] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the cross product of the axes, those of one zip in step (all of it equally long)."""
    together = {name: group for group in zips for name in group}
    rows: list[list[dict[str, Any]]] = []
    for name in axes:
        group = together.get(name, (name,))
        if name == group[0]:
            columns = zip(*(axes[n] for n in group), strict=True)
            rows.append([dict(zip(group, values, strict=True)) for values in columns])
    for chosen in itertools.product(*rows):
        yield {k: v for row in chosen for k, v in row.items()}


def layout(row: Mapping[str, Any], where: str) -> dict[str, int]:
    """Return nodes, ranks and threads of one combination. Raises Refusal if they do not fit together."""
    for key in LAYOUT:
        if key in row and (type(row[key]) is not int or row[key] < 1):
            raise Refusal(f"{where}.{key}", f"{row[key]!r} is not a count", "use 1 or more")
    nodes, each = row.get("nodes", 1), row.get("ranks_per_node")
    ranks = row.get("ranks", nodes * (each or 1))
    if ranks % nodes or (each and ranks != nodes * each):
        wanted = f"{nodes * each}" if each else f"{-(-ranks // nodes) * nodes}"
        raise Refusal(f"{where}.ranks", f"{ranks} ranks do not fill {nodes} nodes evenly", f"use {wanted}")
    return {"ranks": ranks, "nodes": nodes, "threads": row.get("threads", 1)}


class _Expansion:
    """The points of one block."""

    def __init__(self, sweep: Sweep, block: Block, excluded: list[dict[str, str]]):
        self.sweep, self.block, self.excluded = sweep, block, excluded
        self.problems: dict[Any, Problem] = {}
        self.models: dict[str, runtime.Runtime] = {}

    def points(self) -> Iterator[Point]:
        block = self.block
        known(block.axes["kernel"], runtime.kernels(), f"{block.where}.kernel")
        self._know_parameters()
        axes = {**block.axes, "runtime": self._runtimes()}
        self._know_options(axes["runtime"])
        for row in combinations(axes, block.zips):
            if self._runs(row):
                options = block.options.get(row["runtime"], {})
                for chosen in combinations(options):
                    yield from self._point(row, chosen)

    def _runtimes(self) -> tuple[str, ...]:
        """Return the runtimes by name; "*" stands for all that can run here."""
        for name in self.sweep.foreign:
            if name in runtime.runtimes():
                raise Refusal(
                    f"{self.sweep.source}: runtimes.{name}", "is a runtime of prk's own", "name it otherwise"
                )
        names = (*runtime.runtimes(), *self.sweep.foreign)
        given = self.block.axes["runtime"]
        if "*" not in given:
            known(given, names, f"{self.block.where}.runtime")
            return given
        if len(given) > 1:
            raise Refusal(
                f"{self.block.where}.runtime", '"*" stands beside others', "use it alone, or name all"
            )
        here = []
        for name in names:
            why = None if name in self.sweep.foreign else self._model(name).missing()
            if why is None:
                here.append(name)
            else:
                self._leave_out(name, ", ".join(self.block.axes["kernel"]), why)
        return tuple(here)

    def _model(self, name: str) -> runtime.Runtime:
        if name not in self.models:
            self.models[name] = runtime.runtime(name)
        return self.models[name]

    def _know_parameters(self) -> None:
        """Raise Refusal for a key that some kernel of the block does not have."""
        own = {k for k in self.block.axes if k not in ("kernel", "runtime", *LAYOUT)}
        for kernel in self.block.axes["kernel"]:
            fields = runtime.problem_class(kernel).__dataclass_fields__
            known(
                sorted(own),
                [*fields, *LAYOUT, "kernel", "runtime", "options", "zip", "exclude", "figure"],
                self.block.where,
            )

    def _know_options(self, runtimes: Sequence[str]) -> None:
        """Raise Refusal for options of a runtime that is not in the block, or that it does not have."""
        everywhere = "*" in self.block.axes["runtime"]
        known(
            self.block.options,
            runtime.runtimes() if everywhere else runtimes,
            f"{self.block.where}.options",
        )
        for name, chosen in self.block.options.items():
            model = self._model(name)
            for kernel in self.block.axes["kernel"]:
                has = [o.name for o in model.options_of(kernel)]
                known(chosen, has, f"{self.block.where}.options.{name}")

    def _runs(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the combination is asked for; raise Refusal where a named runtime lacks the kernel."""
        name, kernel = row["runtime"], row["kernel"]
        absent = runtime.problem_class(kernel).missing()
        if absent and "*" in self.block.axes["runtime"]:
            self._leave_out("*", kernel, absent)
            return False
        if name in self.sweep.foreign:
            offers = not self.sweep.foreign[name].kernels or kernel in self.sweep.foreign[name].kernels
        else:
            offers = runtime.has(name, kernel)
        everywhere = "*" in self.block.axes["runtime"]
        if not offers and not everywhere:
            raise Refusal(
                f"{self.block.where}.runtime", f"{name} has no {kernel}", "exclude it with a reason"
            )
        for rule in self.block.exclude:
            if all(_matches(row.get(k, 1), v) for k, v in rule.items() if k != "reason"):
                shown = " ".join(f"{k}={v}" for k, v in row.items() if k not in ("runtime", "kernel"))
                self._leave_out(name, kernel, rule["reason"], shown)
                return False
        return offers

    def _leave_out(self, name: str, kernel: str, reason: str, what: str = "") -> None:
        line = {"runtime": name, "kernel": kernel, "what": what, "reason": reason}
        if line not in self.excluded:
            self.excluded.append(line)

    def _point(self, row: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[Point]:
        where, kernel, name = self.block.where, row["kernel"], row["runtime"]
        problem = self._problem(kernel, row)
        shape = layout(row, where)
        try:
            if name in self.sweep.foreign:
                yield foreign_point(self.sweep.foreign[name], name, kernel, problem, shape, self.block)
            else:
                yield own_point(self._model(name), kernel, problem, shape, chosen, self.block)
        except _OneProcessOnly as only:
            if "*" not in self.block.axes["runtime"]:
                raise Refusal(f"{where}.{only.key}", str(only), only.remedy) from None
            self._leave_out(name, kernel, str(only), f"{only.key}={shape[only.key]}")
        except Refusal as refusal:
            raise Refusal(
                f"{where}: {kernel} on {name}",
                str(refusal).removeprefix("--"),
                "or exclude the point with a reason",
            ) from None

    def _problem(self, kernel: str, row: Mapping[str, Any]) -> Problem:
        """Return the kernel's problem, checked for types and choices."""
        kind = runtime.problem_class(kernel)
        given = {k: v for k, v in row.items() if k in kind.__dataclass_fields__}
        key = (kernel, tuple(sorted(given.items())))
        if key not in self.problems:
            for k, v in given.items():
                f = kind.__dataclass_fields__[k]
                _fits(v, f.default, f.metadata["choices"], f"{self.block.where}.{k}")
            self.problems[key] = kind(**given)
        return self.problems[key]


class _OneProcessOnly(Exception):
    """A runtime that cannot have so many ranks or threads, whatever the problem."""

    def __init__(self, key: str, problem: str, remedy: str):
        super().__init__(problem)
        self.key, self.remedy = key, remedy


def own_point(
    model: runtime.Runtime,
    kernel: str,
    problem: Problem,
    shape: Mapping[str, int],
    chosen: Mapping[str, Any],
    block: Block,
) -> Point:
    """Return the point of one of the package's runtimes, with the layout that its record will state.

    `ranks` counts the workers: processes of a launcher, or the threads, PEs or workers that a runtime
    starts itself. Raises Refusal if runtime or problem refuse it.
    """
    known_options = {o.name: o for o in model.options_of(kernel)}
    options = {name: o.default for name, o in known_options.items()}
    for name, value in chosen.items():
        o = known_options[name]
        _fits(value, o.default, o.choices, f"{block.where}.options.{model.name}.{name}")
        options[name] = value
    workers = _workers(model, shape, options)
    job: Any = SimpleNamespace(kernel=kernel, runtime=model.name, problem=problem, options=options)
    size = workers * model.members_a_rank(job)
    problem.refuse(size)
    with contextlib.suppress(ImportError), nothing_that_communicates():
        model.refuse(job, size)
    label = record.variant(
        model, kernel, {k: v for k, v in options.items() if k not in ("threads", model.count_option)}
    )
    layout = _recorded(workers, shape["nodes"], model.threads(job))
    return _point(model.name, kernel, problem, layout, options, label, block)


@contextlib.contextmanager
def nothing_that_communicates() -> Iterator[None]:
    """Keep communication libraries out while a runtime is asked what it refuses.

    One may ask its library, which would initialise it here, where nothing has been launched; what
    it refuses then shows when the point runs.
    """

    class Closed(MetaPathFinder):
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name in COMMUNICATION:
                raise ImportError(name)

    finder = Closed()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _workers(model: runtime.Runtime, shape: Mapping[str, int], options: dict[str, Any]) -> int:
    """Return the processes of the team, and set the option that says it where no launcher does."""
    ranks, threads = shape["ranks"], shape["threads"]
    if model.count_option == "threads" and not model.launcher and shape["nodes"] > 1:
        raise _OneProcessOnly(
            "nodes", f"{model.name} is one process", f"exclude {model.name} with nodes = {shape['nodes']}"
        )
    if model.count_option and not model.launcher:
        options[model.count_option] = ranks * threads
        # Threads are not members of the team: they compute inside its only one.
        return 1 if model.count_option == "threads" else ranks * threads
    if not model.launcher and ranks > 1:
        raise _OneProcessOnly(
            "ranks", f"{model.name} is one process", f"exclude {model.name} with ranks = {ranks}"
        )
    if "threads" in options:
        options["threads"] = threads
    elif threads > 1:
        raise _OneProcessOnly(
            "threads", f"{model.name} has one thread a rank", f"exclude {model.name} with threads = {threads}"
        )
    return ranks


def foreign_point(
    program: Foreign, name: str, kernel: str, problem: Problem, shape: Mapping[str, int], block: Block
) -> Point:
    """Return the point of a foreign program. Raises Refusal if its command asks for what there is not."""
    problem.refuse(shape["ranks"])
    recorded = _recorded(shape["ranks"], shape["nodes"], shape["threads"])
    there = {*problem.parameters(), *recorded}
    for _, key, _, _ in string.Formatter().parse(program.command):
        if key is not None and key not in there:
            raise Refusal(
                f"{{{key}}} in its command", "there is no such value", f"use {', '.join(sorted(there))}"
            )
    return _point(name, kernel, problem, recorded, {}, "", block, program.command)


def _recorded(ranks: int, nodes: int, threads: int) -> dict[str, int]:
    return {"ranks": ranks, "nodes": nodes, "ranks_per_node": -(-ranks // nodes), "threads": threads}


def _point(
    name: str,
    kernel: str,
    problem: Problem,
    recorded: dict[str, int],
    options: dict[str, Any],
    label: str,
    block: Block,
    command: str = "",
) -> Point:
    identity: dict[str, Any] = {
        "kernel": kernel,
        "runtime": name,
        "parameters": problem.parameters(),
        "options": options,
        "layout": recorded,
    }
    return Point(
        id=record.point_id(identity),
        variant=label,
        figure=block.figure,
        conforming=problem.conforming,
        work=problem.work,
        unit=problem.unit,
        traffic=problem.traffic,
        foreign=command,
        **identity,
    )


def _fits(value: Any, default: Any, choices: Sequence[Any], where: str) -> None:
    """Raise Refusal unless the value has the default's type and is among the choices, if there are any."""
    kind = int if default is None else type(default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise Refusal(where, f"{value!r} is of the wrong type", f"give a value of type {kind.__name__}")
    if choices and value not in choices:
        raise Refusal(where, f"{value!r} is none of the choices", f"use {' or '.join(map(str, choices))}")


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted
