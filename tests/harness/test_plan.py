"""Plans: their points and order, what is refused, the shipped sweeps, and how long planning takes."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.ddp import descriptions, workload
from prk.harness.plan import adhoc, expand, points, sweep
from prk.harness.show import style
from prk.problem import Refusal
from prk.run import registry
from tests.harness.making import planned
from tests.launch import ROOT

GOLDEN = Path(__file__).with_name("golden-plan.json")
STENCIL = {"kernel": "stencil", "runtime": ["mpi1", "serial"], "ranks": 1, "n": [500, 1000]}
FOREIGN = {"c-mpi1": {"command": "mpirun -n {ranks} ./stencil {iterations} {n}", "kernels": ["stencil"]}}


def test_golden_plan():
    made = planned(
        {"kernel": "stencil", "runtime": ["mpi1", "c-mpi1"], "nodes": [1, 2], "ranks_per_node": 2,
         "n": [64, 128], "zip": [["nodes", "n"]], "figure": "weak scaling"},
        {"kernel": "transpose", "runtime": "mpi1", "ranks": [1, 2], "order": 64,
         "options": {"mpi1": {"exchange": ["pairwise", "alltoall"]}},
         "exclude": [{"ranks": 1, "reason": "nothing to exchange"}]},
        repeat=2, timeout=5, runtimes=FOREIGN,
    )  # fmt: skip
    assert json.loads(json.dumps(made.table())) == json.loads(GOLDEN.read_text())
    assert points.Plan.of(json.loads(GOLDEN.read_text())) == made


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(), min_size=1, max_size=3), max_size=5),
    st.data(),
)
def test_combinations_are_the_product_with_zips_in_step(axes, data):
    sizes: dict[int, list[str]] = {}
    for name, values in axes.items():
        sizes.setdefault(len(values), []).append(name)
    together = data.draw(st.sampled_from([v for v in sizes.values() if len(v) > 1] or [[]]))
    zips = [together] if together else []
    found = list(expand.combinations(axes, zips))
    alone = [len(v) for k, v in axes.items() if k not in together]
    assert len(found) == math.prod(alone) * (len(axes[together[0]]) if together else 1)
    for row in found:
        assert row.keys() == axes.keys()
        if together:
            assert tuple(row[k] for k in together) in set(zip(*(axes[k] for k in together), strict=True))


@given(st.integers(0, 2**31), st.integers(1, 5))
def test_every_launch_is_there_once_and_a_points_runtimes_follow_one_another(seed, repeat):
    made = planned(STENCIL, seed=seed, repeat=repeat)
    assert sorted(made.order) == [(i, r) for i in range(len(made.points)) for r in range(repeat)]
    assert [r for _, r in made.order] == sorted(r for _, r in made.order)
    sizes = [made.points[i].parameters["n"] for i, _ in made.order]
    assert all(a == b for a, b in zip(sizes[::2], sizes[1::2], strict=True))
    assert made.order == planned(STENCIL, seed=seed, repeat=repeat).order


def test_layouts_are_those_the_records_will_state():
    made = planned({"kernel": "stencil", "runtime": ["mpi1", "numba"], "ranks": 2})
    shapes = {p.runtime: (p.layout["ranks"], p.layout["threads"], p.cores) for p in made.points}
    assert shapes == {"mpi1": (2, 1, 2), "numba": (1, 2, 2)}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"repeats": 3}, "test.toml: repeats: there is no such key; did you mean repeat?"),
        ({"repeat": 0}, "test.toml: repeat: 0 is too small"),
        ({"repeat": "3"}, "test.toml: repeat: '3' is of the wrong type"),
        ({"points": []}, "test.toml: points: the sweep has none"),
        ({"points": [{"runtime": "mpi1"}]}, "points[0].kernel: is missing"),
        (
            {"points": [{**STENCIL, "kernel": "stencl"}]},
            "points[0].kernel: stencl: there is no such key; did you mean stencil?",
        ),
        (
            {"points": [{**STENCIL, "runtime": "mpi"}]},
            "points[0].runtime: mpi: there is no such key; did you mean mpi1?",
        ),
        ({"points": [{**STENCIL, "order": 3}]}, "points[0]: order: there is no such key"),
        ({"points": [{**STENCIL, "n": []}]}, "points[0].n: the list is empty"),
        (
            {"points": [{**STENCIL, "n": "big"}]},
            "points[0].n: 'big' is of the wrong type; give a value of type int",
        ),
        ({"points": [{**STENCIL, "n": True}]}, "points[0].n: True is of the wrong type"),
        (
            {"points": [{**STENCIL, "pattern": "round"}]},
            "points[0].pattern: 'round' is none of the choices; use star or compact",
        ),
        ({"points": [{**STENCIL, "ranks": 0}]}, "points[0].ranks: 0 is not a count"),
        ({"points": [{**STENCIL, "ranks": 3, "nodes": 2}]}, "3 ranks do not fill 2 nodes evenly; use 4"),
        ({"points": [{**STENCIL, "ranks": 2}]}, "points[0].ranks: serial is one process; exclude serial"),
        ({"points": [{**STENCIL, "threads": 2}]}, "points[0].threads: mpi1 has one thread a rank"),
        ({"points": [{**STENCIL, "n": 5}]}, "stencil on mpi1: radius: 4 does not fit a grid of 5 x 5"),
        ({"points": [{**STENCIL, "radius": 0}]}, "radius: 0 is too small; use at least 1"),
        ({"points": [{"kernel": "transpose", "runtime": "mpi1", "ranks": 3, "order": 100}]}, "use 99 or 102"),
        ({"points": [STENCIL, STENCIL]}, "points[1]: the point is there twice"),
        ({"points": [{**STENCIL, "zip": [["ranks", "n"]]}]}, "points[0].zip: the lists differ in length"),
        ({"points": [{**STENCIL, "zip": [["ranks", "m"]]}]}, "points[0].zip: m: there is no such key"),
        ({"points": [{**STENCIL, "exclude": [{"n": 500}]}]}, "has no reason; add reason"),
        ({"points": [{**STENCIL, "exclude": [{"reason": "no"}]}]}, "points[0]: no point is left of it"),
        (
            {"points": [{**STENCIL, "options": {"mpi1": {"exchange": "x"}}}]},
            "options.mpi1: exchange: there is no such key",
        ),
        (
            {"points": [{**STENCIL, "options": {"numba": {"threads": 2}}}]},
            "points[0].options: numba: there is no such key",
        ),
        ({"points": [{**STENCIL, "runtime": ["*", "mpi1"]}]}, '"*" stands beside others'),
        ({"runtimes": {"c": {"cmd": "x"}}}, "runtimes.c.command: is missing"),
        ({"runtimes": {"mpi1": {"command": "x"}}}, "runtimes.mpi1: is a runtime of prk's own"),
        (
            {"runtimes": {"c": {"command": "./a {size}"}}, "points": [{**STENCIL, "runtime": "c"}]},
            "its command: there is no value {size} for it",
        ),
        *(
            ({"runtimes": {"c": {"command": c}}, "points": [{**STENCIL, "runtime": "c"}]}, said)
            for c, said in (
                ("./a {n", "'./a {n' is no command template"),
                ("./a {}", "no command template"),
                ("./a {n:q}", "no command template"),
                ("./a {n.high}", "no command template"),
                ("./a 'b", "no command template (No closing quotation)"),
                ("", "it names no program"),
                ("./a\0", "characters that cannot be shown"),
            )
        ),
        ({"launcher": "srun -n {rank}"}, "launcher: there is no value {rank} for it; use nodes, ranks, "),
        ({"launcher": "srun -n {ranks"}, "launcher: 'srun -n {ranks' is no command template"),
        ({"runtimes": {"c": {"command": "x", "kernels": ["stencl"]}}}, "runtimes.c: stencl: there is no"),
        ({"points": [{**STENCIL, "options": {"mpi1": 3}}]}, "options: mpi1: 3 is of the wrong type"),
        ({"points": [{**STENCIL, "zip": [1]}]}, "points[0].zip: 1 is too few; give a list of at least 2"),
        ({"points": [{**STENCIL, "zip": [["n", "n"]]}]}, "points[0].zip: a name is there twice"),
        ({"points": [{**STENCIL, "zip": [["n", ["ranks"]]]}]}, "zip: ['ranks'] is neither a number"),
        ({"points": [{**STENCIL, "exclude": [{"n": 500, "reason": 3}]}]}, "exclude: reason: 3 is of"),
        ({"points": [{**STENCIL, "title": "x"}]}, "points[0]: title: there is no such key"),
        ({"points": [{**STENCIL, "audit": 5}]}, "points[0]: audit: there is no such key"),
        ({"points": [{**STENCIL, "n": 2**63}]}, "points[0].n: 9223372036854775808 is out of range"),
        ({"points": [{**STENCIL, "n": math.nan}]}, "points[0].n: nan is out of range"),
        ({"presets": {"quick": 3}}, "presets.quick: preset: 3 is of the wrong type"),
        ({"presets": {"quick": {"options": {}}}}, "presets.quick.options: {} is neither"),
        ({"presets": {"quick": {"n": 1}}, "points": [{**STENCIL, "ranks": [1, 2], "zip": [["ranks", "n"]]}]},
         "presets.quick.zip: the lists differ in length"),
        ({"timeout": math.inf}, "test.toml: timeout: inf is out of range"),
        ({"timeout": 1e12}, "test.toml: timeout: 1e+12 is too large"),
        ({"repeat": 10**9}, "test.toml: repeat: 1e+09 is too large"),
        ({"repeat": 10**7}, "it makes more than 10,000,000 launches"),
        ({"name": "../elsewhere"}, "test.toml: name: '../elsewhere' names no folder"),
        ({"title": "a\x1b[2Jb"}, "test.toml: title: 'a\\x1b[2Jb' has characters that cannot be shown"),
        (
            {"runtimes": FOREIGN, "points": [{"kernel": "nstream", "runtime": "c-mpi1"}]},
            "c-mpi1 has no nstream",
        ),
    ],
)  # fmt: skip
def test_bad_sweeps_are_refused_in_one_line(table, said):
    with pytest.raises(Refusal) as refusal:
        planned(*table.pop("points", [STENCIL]), **table)
    text = str(refusal.value)
    assert said in text
    assert text.startswith("test.toml")
    assert "\n" not in text
    assert "; " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kernel=stencil", "--title=x"], "title: there is no such key"),
        (["--kernel=stencil", "--audit=5"], "audit: there is no such key"),
        (["--kernel=ddp", "--learning-rate=nan"], "--learning_rate: nan is out of range"),
    ],
)
def test_bad_command_lines_are_refused(words, said):
    with pytest.raises(Refusal, match=said):
        adhoc.sweep_of(words)


def test_of_every_runtime_present_few_may_be_present(monkeypatch):
    for how in registry.usable():
        if how.name not in ("serial", "numba"):
            monkeypatch.setattr(how, "missing", lambda: "it is not installed; install it")
    made = expand.make(sweep.read(sweep.find("laptop")))
    assert {p.runtime for p in made.points} == {"serial", "numba"}
    with pytest.raises(Refusal, match=r"test.toml: no point is left of it \(it is not installed; install it"):
        planned({"kernel": "allreduce", "runtime": "*", "ranks": 2})


def test_a_plan_grows_and_keeps_what_it_has():
    made = planned(STENCIL, repeat=2)
    more = made.extended(dict.fromkeys([made.points[0].id, made.points[3].id], 5))
    assert more.order[: len(made.order)] == made.order
    assert more.repeat == 5
    assert [more.planned[p.id] for p in more.points] == [5, 2, 2, 5]
    assert len({*more.order}) == len(more.order) == 14
    assert more == made.extended(dict.fromkeys([made.points[0].id, made.points[3].id], 5))
    assert made.extended({p.id: 1 for p in made.points}) == made


def test_presets_replace_axes():
    table: dict[str, Any] = {
        "points": [STENCIL],
        "repeat": 9,
        "presets": {"quick": {"repeat": 1, "n": 100}},
    }
    found = sweep.parse(table, "test.toml", "test", "quick")
    assert found.repeat == 1
    assert [p.parameters["n"] for p in expand.make(found).points] == [100, 100]
    with pytest.raises(Refusal, match="there is no 'fast'; use one of quick"):
        sweep.parse(table, "test.toml", "test", "fast")
    table["presets"]["odd"] = {"order": 5}
    with pytest.raises(Refusal, match=r"presets\.odd\.order: no points have this key"):
        sweep.parse(table, "test.toml", "test")


def test_command_line_states_a_sweep():
    words = ["--kernel=stencil", "--runtime=mpi1,numba", "--ranks=1,2", "--n=400", "--repeat", "2"]
    found = adhoc.sweep_of(words[:-2])
    made = expand.make(adhoc.changed(found, 2, None, 3))
    assert len(made.points) == 4
    assert (made.repeat, made.seed) == (2, 3)
    with pytest.raises(Refusal, match="exchang: there is no such key"):
        adhoc.sweep_of(["--kernel=stencil", "--exchang=x"])
    chosen = adhoc.sweep_of(["--kernel=transpose", "--runtime=mpi1", "--exchange=alltoall,pairwise"])
    assert len(expand.make(chosen).points) == 2


@pytest.mark.parametrize("path", sorted(sweep.SHIPPED.glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_sweeps_can_be_planned(path):
    found = sweep.read(path)
    assert expand.make(found).points
    for name in sweep.tomllib.loads(path.read_text()).get("presets", {}):
        assert expand.make(sweep.read(path, name)).points


def test_study_goes_to_512_nodes_of_24_cores():
    for kernel in ("stencil", "synch-p2p", "transpose"):
        made = expand.make(sweep.read(sweep.find(f"study-{kernel}")))
        mpi1 = [p for p in made.points if p.runtime == "mpi1" and not p.variant]
        assert [p.layout["nodes"] for p in mpi1] == [2**k for k in range(10)]
        assert mpi1[-1].layout["ranks"] == 12288
        sizes = {
            p.parameters.get("n", p.parameters.get("order")) for p in made.points if p.runtime != "charm4py"
        }
        assert sizes == {49152}
        charm = [p for p in made.points if p.runtime == "charm4py"]
        assert len(charm) == {"stencil": 30, "synch-p2p": 26, "transpose": 28}[kernel]
        # Chares come on top of the cores, they do not divide them.
        assert all(p.layout["ranks"] == 23 * p.layout["nodes"] for p in charm)


@pytest.mark.parametrize("name", ["laptop", "two-cores"])
def test_sweeps_for_one_machine_cover_every_runtime(name):
    made = expand.make(sweep.read(sweep.find(name)))
    kernels = {p.kernel for p in made.points}
    here = [how.name for how in registry.usable() if not how.missing()]
    assert {p.runtime for p in made.points} == {n for n in here if any(registry.has(n, k) for k in kernels)}


def test_kernel_that_cannot_run_here_is_left_out_with_what_would_install_it(monkeypatch):
    monkeypatch.setattr(registry.problem_class("ddp"), "requires", ("a_package_that_is_absent",))
    made = expand.make(sweep.read(sweep.find("laptop")))
    # Whatever else the suite has.
    assert (
        {"stencil", "allreduce", "reduce"}
        <= {p.kernel for p in made.points}
        <= {*registry.kernels()} - {"ddp"}
    )
    (line,) = (e for e in made.excluded if e["kernel"] == "ddp")
    assert line["runtime"] == "*"
    assert "pip install" in line["reason"]


def test_a_star_is_every_choice_and_every_workload_as_it_is_usually_trained(monkeypatch):
    made = planned({"kernel": "allreduce", "runtime": "mpi1", "ranks": 2, "collective": "*"})
    assert len(made.points) == len(registry.problem_class("allreduce").every("collective")) > 1
    given = {"kernel": "ddp", "runtime": "mpi1", "ranks": 2, "workload": "*"}
    monkeypatch.setattr(descriptions, "FOLDER", "/nowhere")
    made = planned({**given, "batch": [64, 128], "epochs": 2})
    own = {(p.parameters["workload"], p.parameters["batch"]): p.parameters for p in made.points}
    usual = workload.usual("recommendation")
    assert (usual["batch"], own["recommendation", 64]["epochs"]) == (256, 2)
    assert own["recommendation", 128]["learning_rate"] == usual["learning_rate"]
    assert {"digits", "speech"} < {name for name, _ in own} < {*workload.names()}
    (line,) = (e for e in made.excluded if e["what"] == "workload=translation")
    assert "apt-get update" in line["reason"]
    with pytest.raises(Refusal, match="iterations: '\\*' is of the wrong type"):
        planned({**given, "iterations": "*"})


def test_ten_thousand_points_are_planned_in_two_seconds():
    code = (
        "import time\n"
        "from prk.harness.plan import adhoc, expand\n"
        "n = ','.join(str(1000 + i) for i in range(2500))\n"
        "found = adhoc.sweep_of(['--kernel=stencil', '--runtime=mpi1', '--ranks=1,2,4,8', '--n=' + n])\n"
        "assert len(expand.make(adhoc.changed(found, 10, None, 1)).points) == 10_000\n"
        "print(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.PIPE)
    # Of the processor, which does not count what others do meanwhile, and on a quiet machine one second.
    assert float(done.stdout) < 4


def test_planning_imports_nothing_heavy():
    heavy = {"numba", "mpi4py", "matplotlib", "scipy", "rich"}
    code = f"import sys, prk.harness.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def broken(monkeypatch):
    """Another package's runtime that cannot be imported."""
    offered = {"bad": "a_package_that_is_broken"}
    caches = (registry.runtimes, registry.broken, registry.runtime, style.of)
    monkeypatch.setattr(registry, "_offered", lambda group: offered if group == "prk.runtimes" else {})
    for one in caches:
        one.cache_clear()
    yield "bad"
    monkeypatch.undo()
    for one in caches:
        one.cache_clear()


def test_a_broken_plug_in_is_left_out_and_hurts_nobody(broken):
    made = planned({"kernel": "stencil", "runtime": "*", "n": 64})
    assert "mpi1" in {p.runtime for p in made.points}
    (line,) = (e for e in made.excluded if e["runtime"] == broken)
    assert "a_package_that_is_broken" in line["reason"]
    assert style.of(broken) in style.OTHERS
    with pytest.raises(Refusal, match="a_package_that_is_broken"):
        planned({"kernel": "stencil", "runtime": broken, "n": 64})
    assert adhoc.sweep_of(["--kernel=transpose", "--exchange=alltoall"]).blocks[0].options


def test_what_a_model_cannot_express_is_left_out_with_the_reason():
    made = planned({"kernel": "allreduce", "runtime": "*"})
    why = registry.runtime("mpirma").cell("allreduce").absent
    assert why
    assert {"runtime": "mpirma", "kernel": "allreduce", "what": "", "reason": why} in made.excluded
    with pytest.raises(Refusal, match="mpirma has no allreduce"):
        planned({"kernel": "allreduce", "runtime": "mpirma"})


def test_refusals_of_a_runtime_are_known_before_anything_is_launched():
    ring = {"kernel": "allreduce", "runtime": "mpi1", "ranks": 2, "collective": "broadcast"}
    with pytest.raises(Refusal, match="allreduce on mpi1"):
        planned({**ring, "options": {"mpi1": {"algorithm": "ring"}}})
