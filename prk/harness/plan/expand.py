"""From a sweep to its plan; nothing is started here."""

import gc
import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from prk.harness.plan import template
from prk.harness.plan.points import Plan, Point, shuffled
from prk.harness.plan.sweep import BLOCK, LARGEST, LAYOUT, Block, Foreign, Sweep, known, parameters
from prk.problem import Problem, Refusal
from prk.records import identity
from prk.run import registry
from prk.run.faults import options as faults
from prk.runtime import Runtime


def make(sweep: Sweep) -> Plan:
    """Return the plan of a sweep. Raises Refusal, with file and key, for whatever cannot be run."""
    # The collector would look at a million points again and again, and none of them is part of a cycle.
    gc.disable()
    try:
        return _make(sweep)
    finally:
        gc.enable()


def _make(sweep: Sweep) -> Plan:
    points: dict[str, Point] = {}
    excluded: list[dict[str, str]] = []
    for block in sweep.blocks:
        before = len(points)
        for point in _Expansion(sweep, block, excluded).points():
            if point.id in points:
                raise Refusal(block.where, f"the point is there twice: {point}", "leave one of them out")
            points[point.id] = point
            if len(points) * sweep.repeat > LARGEST:
                raise Refusal(block.where, f"it makes more than {LARGEST:,} launches", "state fewer")
        # Of whatever can run here, nothing may be left.
        if len(points) == before and not any("*" in values for values in block.axes.values()):
            raise Refusal(
                block.where, "no point is left of it", "see its exclude, and python -m prk for what can run"
            )
    if not points:
        why = "; ".join(dict.fromkeys(e["reason"] for e in excluded))
        raise Refusal(sweep.source, f"no point is left of it ({why})", "python -m prk lists what can run")
    seed = random.SystemRandom().randrange(2**31) if sweep.seed is None else sweep.seed
    kept = tuple(points.values())
    points.clear()
    for layout in {tuple(p.layout.items()) for p in kept if sweep.launcher}:
        template.words(sweep.launcher, dict(layout), f"{sweep.source}: launcher")
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
        audit=sweep.audit,
        split=sweep.split,
    )


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
        self.problems: dict[Any, _Asked] = {}
        self.parameters = {kernel: parameters(kernel) for kernel in registry.kernels()}
        self.models: dict[str, Runtime] = {}

    def points(self) -> Iterator[Point]:
        block = self.block
        known(block.axes["kernel"], registry.kernels(), f"{block.where}.kernel")
        self._know_parameters()
        axes = {**block.axes, "runtime": self._runtimes()}
        self._know_options(axes["runtime"])
        options = {name: [*combinations(block.options.get(name, {}))] for name in axes["runtime"]}
        # Else each problem is asked once, and a million of them need not be kept.
        self.often = any(len(axes.get(name, ())) > 1 for name in ("runtime", *LAYOUT)) or bool(block.options)
        self.every = [k for k, values in axes.items() if "*" in values and k not in ("kernel", "runtime")]
        rows = combinations(axes, block.zips)
        for name in self.every:
            rows = self._chosen(name, rows)
        for row in rows:
            if self._runs(row):
                for chosen in options[row["runtime"]]:
                    yield from self._point(row, chosen)

    def _chosen(self, name: str, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield a combination for each choice that "*" stands for; what is stated beside it goes first."""
        for row in rows:
            stands_for = registry.problem_class(row["kernel"]).every(name) if row[name] == "*" else [row]
            yield from ({**one, **row, name: one[name]} for one in stands_for)

    def _runtimes(self) -> tuple[str, ...]:
        """Return the runtimes by name; "*" stands for all that can run here."""
        for name in self.sweep.foreign:
            known(
                self.sweep.foreign[name].kernels, registry.kernels(), f"{self.sweep.source}: runtimes.{name}"
            )
            if name in registry.runtimes():
                raise Refusal(
                    f"{self.sweep.source}: runtimes.{name}", "is a runtime of prk's own", "name it otherwise"
                )
        names = (*registry.runtimes(), *self.sweep.foreign)
        given = self.block.axes["runtime"]
        if "*" not in given:
            known(given, names, f"{self.block.where}.runtime")
            for name in given:
                if name not in self.sweep.foreign:
                    self._model(name)
            return given
        if len(given) > 1:
            raise Refusal(
                f"{self.block.where}.runtime", '"*" stands beside others', "use it alone, or name all"
            )
        here = []
        broken = registry.broken()
        for name in names:
            why = broken.get(name)
            if not why and name not in self.sweep.foreign:
                why = self._model(name).missing()
            if why is None:
                here.append(name)
            else:
                self._leave_out(name, ", ".join(self.block.axes["kernel"]), why)
        return tuple(here)

    def _model(self, name: str) -> Runtime:
        """Return the runtime. Raises Refusal if its package is broken."""
        if name not in self.models:
            self.models[name] = registry.runtime(name)
        return self.models[name]

    def _know_parameters(self) -> None:
        """Raise Refusal for a key that some kernel of the block does not have."""
        own = {k for k in self.block.axes if k not in ("kernel", "runtime", *LAYOUT)}
        for kernel in self.block.axes["kernel"]:
            known(sorted(own), [*parameters(kernel), *BLOCK], self.block.where)

    def _know_options(self, runtimes: Sequence[str]) -> None:
        """Raise Refusal for options of a runtime that is not in the block, or that it does not have."""
        everywhere = "*" in self.block.axes["runtime"]
        known(
            self.block.options,
            registry.runtimes() if everywhere else runtimes,
            f"{self.block.where}.options",
        )
        for name, chosen in self.block.options.items():
            model = self._model(name)
            for kernel in self.block.axes["kernel"]:
                has = [o.name for o in faults.of(model, kernel)]
                known(chosen, has, f"{self.block.where}.options.{name}")

    def _runs(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the combination is asked for; raise Refusal where a named runtime lacks the kernel."""
        name, kernel = row["runtime"], row["kernel"]
        absent = registry.problem_class(kernel).missing()
        if absent and "*" in self.block.axes["runtime"]:
            self._leave_out("*", kernel, absent)
            return False
        if name in self.sweep.foreign:
            offers = not self.sweep.foreign[name].kernels or kernel in self.sweep.foreign[name].kernels
        else:
            offers = registry.has(name, kernel)
        if not offers:
            self._lacks(name, kernel)
        for rule in self.block.exclude:
            if all(_matches(row.get(k, 1), v) for k, v in rule.items() if k != "reason"):
                shown = " ".join(f"{k}={v}" for k, v in row.items() if k not in ("runtime", "kernel"))
                self._leave_out(name, kernel, rule["reason"], shown)
                return False
        return offers

    def _lacks(self, name: str, kernel: str) -> None:
        """Raise Refusal if the runtime was named; of all that can run here, note why this one cannot."""
        why = "" if name in self.sweep.foreign else self._model(name).cell(kernel).absent
        if "*" not in self.block.axes["runtime"]:
            said = f"{name} has no {kernel}{f' ({why})' if why else ''}"
            raise Refusal(f"{self.block.where}.runtime", said, "exclude it with a reason")
        if why:
            self._leave_out(name, kernel, why)

    def _leave_out(self, name: str, kernel: str, reason: str, what: str = "") -> None:
        line = {"runtime": name, "kernel": kernel, "what": what, "reason": reason}
        if line not in self.excluded:
            self.excluded.append(line)

    def _point(self, row: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[Point]:
        where, kernel, name = self.block.where, row["kernel"], row["runtime"]
        asked = self._asked(kernel, row)
        shape = layout(row, where)
        try:
            if name in self.sweep.foreign:
                yield foreign_point(self.sweep.foreign[name], name, asked, shape, self.block)
            else:
                yield own_point(self._model(name), asked, shape, chosen, self.block)
        except _OneProcessOnly as only:
            if "*" not in self.block.axes["runtime"]:
                raise Refusal(f"{where}.{only.key}", str(only), only.remedy) from None
            self._leave_out(name, kernel, str(only), f"{only.key}={shape[only.key]}")
        except Refusal as refusal:
            if self.every:
                what = " ".join(f"{key}={row[key]}" for key in self.every)
                self._leave_out(name, kernel, str(refusal).removeprefix("--"), what)
                return
            raise Refusal(
                f"{where}: {kernel} on {name}",
                str(refusal).removeprefix("--"),
                "or exclude the point with a reason",
            ) from None

    def _asked(self, kernel: str, row: Mapping[str, Any]) -> "_Asked":
        """Return the kernel's problem, its parameters checked for types and choices."""
        own = self.parameters[kernel]
        given = {k: v for k, v in row.items() if k in own}
        key = (kernel, *given.values())
        found = self.problems.get(key)
        if found is None:
            for k, v in given.items():
                _fits(v, own[k].default, own[k].metadata["choices"], f"{self.block.where}.{k}")
            found = _Asked(kernel, registry.problem_class(kernel)(**given))
            if self.often:
                self.problems[key] = found
        return found


class _Asked:
    """A problem, and what it says of itself on each number of members: points share that."""

    def __init__(self, kernel: str, problem: Problem):
        self.kernel, self.problem = kernel, problem
        self.parameters = problem.parameters()
        self.stated: dict[int, dict[str, Any]] = {}

    def on(self, size: int) -> dict[str, Any]:
        """Return what points on `size` members state. Raises Refusal if those cannot run the problem."""
        if size not in self.stated:
            self.problem.refuse(size)
            self.stated[size] = {
                "kernel": self.kernel,
                "version": self.problem.version,
                "parameters": self.parameters,
                "conforming": self.problem.conforming,
                "metrics": self.problem.metrics,
                "work": self.problem.work_of(size),
                "cost": self.problem.mean_cost(size),
            }
        return self.stated[size]


class _OneProcessOnly(Exception):
    """A runtime that cannot have so many ranks or threads, whatever the problem."""

    def __init__(self, key: str, problem: str, remedy: str):
        super().__init__(problem)
        self.key, self.remedy = key, remedy


def own_point(
    model: Runtime, asked: _Asked, shape: Mapping[str, int], chosen: Mapping[str, Any], block: Block
) -> Point:
    """Return the point of one of the package's runtimes, with the layout that its record will state.

    `ranks` counts the workers: processes of a launcher, or the threads, PEs or workers that a runtime
    starts itself. Raises Refusal if runtime or problem refuse it.
    """
    kernel, problem = asked.kernel, asked.problem
    known_options = {o.name: o for o in faults.of(model, kernel)}
    options = {name: o.default for name, o in known_options.items()}
    for name, value in chosen.items():
        o = known_options[name]
        _fits(value, o.default, o.choices, f"{block.where}.options.{model.name}.{name}")
        options[name] = value
    options = faults.settled(options)
    workers = _workers(model, shape, options)
    size = workers * model.members_a_rank(kernel, options)
    if faults.asked(options):
        faults.read(problem, options, size)
    size = faults.active(options, size)
    stated = asked.on(size)
    model.refuse(kernel, problem, options, size)
    layout = _recorded(workers, shape["nodes"], model.threads(options))
    return Point(
        id=identity.point_id(kernel, problem, model.name, model, options, layout),
        runtime=model.name,
        options=_once(*options.items()),
        layout=layout,
        variant=identity.variant(model, kernel, options),
        figure=block.figure,
        shared=model.cell(kernel).shared,
        **stated,
    )


def _workers(model: Runtime, shape: Mapping[str, int], options: dict[str, Any]) -> int:
    """Return the processes of the team, and set the option that says it where no launcher does."""
    ranks, threads = shape["ranks"], shape["threads"]
    if model.count_option == "threads" and not model.launched and shape["nodes"] > 1:
        raise _OneProcessOnly(
            "nodes", f"{model.name} is one process", f"exclude {model.name} with nodes = {shape['nodes']}"
        )
    if model.count_option and not model.launched:
        options[model.count_option] = ranks * threads
        # Threads are not members of the team: they compute inside its only one.
        return 1 if model.count_option == "threads" else ranks * threads
    if not model.launched and ranks > 1:
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
    program: Foreign, name: str, asked: _Asked, shape: Mapping[str, int], block: Block
) -> Point:
    """Return the point of a foreign program. Raises Refusal if its command asks for what there is not."""
    stated = asked.on(shape["ranks"])
    recorded = _recorded(shape["ranks"], shape["nodes"], shape["threads"])
    template.words(program.command, {**asked.parameters, **recorded}, "its command")
    return Point(
        id=identity.point_id(asked.kernel, asked.problem, name, None, {}, recorded),
        runtime=name,
        options={},
        layout=recorded,
        variant="",
        figure=block.figure,
        foreign=program.command,
        **stated,
    )


def _recorded(ranks: int, nodes: int, threads: int) -> dict[str, int]:
    each = -(-ranks // nodes)
    return _once(("ranks", ranks), ("nodes", nodes), ("ranks_per_node", each), ("threads", threads))


@cache
def _once(*items: tuple[str, Any]) -> dict[str, Any]:
    """Return a mapping of the items, the same one for the same items: a million points share it."""
    return dict(items)


def _fits(value: Any, default: Any, choices: Sequence[Any], where: str) -> None:
    """Raise Refusal unless the value has the default's type and is among the choices, if there are any."""
    kind = int if default is None else type(default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise Refusal(where, f"{value!r} is of the wrong type", f"give a value of type {kind.__name__}")
    if choices and value not in choices:
        raise Refusal(where, f"{value!r} is none of the choices", f"use {' or '.join(map(str, choices))}")


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted
