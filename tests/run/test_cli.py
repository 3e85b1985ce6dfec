"""The whole command line, started as users start it."""

import json
import sys
from statistics import median

import jsonschema
import pytest

from prk.conformance import mutation, rows
from prk.records import placement
from prk.run import registry
from tests.launch import ROOT, kernel, mpirun, own_lines, run

MISTAKES = rows.rows(ROOT / "tests/conformance/mutants.toml")
SCHEMA = json.loads((ROOT / "prk/records/schema-2.json").read_text())

# What is asked, on how many ranks, and what the one line must name.
REFUSED = [
    ("stencil", ["--iterations", 0], 1, "--iterations"),
    ("stencil", ["--radius", 0], 2, "--radius"),
    ("stencil", ["--n", 8, "--radius", 4], 1, "--n 9"),
    ("stencil", ["--n", 10, "--radius", 4], 3, "--n 12"),
    ("stencil", ["--n", 4_000_000], 2, "GiB"),
    ("stencil", ["--pattern", "diamond"], 1, "star"),
    ("stencil", ["--dtype", "float16"], 1, "float32"),
    ("stencil", ["--radios", 4], 1, "--radius"),
    ("stencil", ["--n", "many"], 1, "--n"),
    ("stencil", ["--runtime", "pvm"], 1, "mpi1"),
    ("stencil", ["--runtime", "pvm"], 2, "mpi1"),
    ("stencil", ["--repeat", 0], 1, "--repeat"),
    ("stencil", ["--timeout", -1], 1, "--timeout"),
    ("stencil", ["--expect-ranks", 3], 2, "--expect-ranks"),
    ("stencil", ["--exchange", "alltoall"], 1, "--exchange"),
    ("synch_p2p", ["--m", 1], 1, "--m"),
    ("synch_p2p", ["--n", 1], 1, "--n"),
    ("synch_p2p", ["--m", 3], 3, "at least 4"),
    ("synch_p2p", ["--group", 0], 1, "--group"),
    ("transpose", ["--order", 1], 2, "use 2"),
    ("transpose", ["--order", 101], 2, "100 or 102"),
    ("transpose", ["--tile", -1], 1, "--tile"),
    ("transpose", ["--tile", 1 << 63], 1, "--tile"),
    ("transpose", ["--timeout", "nan"], 1, "--timeout"),
    ("transpose", ["--exchange", "alltoall"], 1, "--runtime mpi1"),
    ("transpose", ["--exchange", "pigeon"], 2, "alltoall"),
    ("nstream", ["--n", 1], 2, "--n"),
    ("nstream", ["--json", "/nowhere/at/all.json"], 2, "--json"),
    ("nstream", ["--json", "/proc/record.json"], 1, "--json"),
    ("nstream", ["--json", "/tmp"], 1, "folder"),
]


@pytest.mark.parametrize(("name", "arguments", "size", "named"), REFUSED)
def test_refusal_is_one_line_that_names_the_option(name, arguments, size, named):
    done = kernel(name, *arguments, size=size, seconds=60)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(own_lines(done)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert own_lines(done)[0].startswith(f"prk.{name}: ")
    assert named in own_lines(done)[0]
    assert not done.stdout


def test_printed_lines_are_those_that_parsers_know():
    lines = kernel("stencil", "--n", 100, "--radius", 2, size=2).stdout.splitlines()
    assert lines[0].startswith("Parallel Research Kernels")
    assert {"Number of ranks = 2", "Grid size = 100", "Radius of stencil = 2"} <= set(lines)
    assert lines[-2] == "Solution validates"
    words = lines[-1].split()
    assert words[:2] == ["Rate", "(MFlops/s):"]
    assert words[3:6] == ["Avg", "time", "(s):"]
    assert float(words[2]) == pytest.approx(25 / 25 * 19 * 96**2 / float(words[6]) / 1e6, rel=1e-3)


def test_quiet_prints_verdict_and_rate_only():
    lines = kernel("transpose", "--order", 64, "--quiet").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["Solution", "Rate"]


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("name", registry.kernels())
def test_record_keeps_its_schema_and_is_never_overwritten(tmp_path, name, size):
    path = tmp_path / "record.json"
    on = None if registry.has(registry.BASELINE, name) else registry.offering(name)[-1]
    done = kernel(name, "--json", path, "--repeat", 3, "--quiet", size=size, on=on)
    assert done.returncode == 0, done.stderr
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert len(made["samples"]) == 3
    assert all(s["min"] <= s["mean"] <= s["max"] for s in made["samples"])
    assert made["status"] == "ok"
    assert made["conforming"]
    assert made["layout"] == {"ranks": size, "nodes": 1, "ranks_per_node": size, "threads": 1}
    assert len(placement.members(made["placement"])) == size
    first = registry.problem_class(name).metrics[0]
    assert all(len(m["values"]) in (0, 3) for m in made["metrics"].values())
    stated = made["metrics"][first.name]
    assert (stated["unit"], stated["scale"]) == (first.unit, first.scale)
    assert median(stated["values"]) == pytest.approx(float(done.stdout.split()[4]), rel=1e-3)
    before = path.read_bytes()
    again = kernel(name, "--json", path, size=size, on=on)
    assert again.returncode == 2
    assert "never overwritten" in own_lines(again)[0]
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_secrets_stay_out_of_the_record(tmp_path):
    path = tmp_path / "record.json"
    secret = {"SLURM_JWT": "tell-nobody", "HOME_TOKEN": "tell-nobody", "PRK_API_KEY": "tell-nobody"}
    done = kernel("nstream", "--n", 100, "--json", path, OMP_NUM_THREADS="7", **secret)
    assert done.returncode == 0
    assert "tell-nobody" not in path.read_text()
    assert json.loads(path.read_text())["environment"]["variables"]["OMP_NUM_THREADS"] == "7"


def test_grouped_synchronisation_is_marked_non_conforming(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("synch_p2p", "--group", 4, "--json", path, size=2)
    assert "Conforming = no" in done.stdout
    assert not json.loads(path.read_text())["conforming"]


def test_variant_is_labelled(tmp_path):
    path = tmp_path / "record.json"
    done = kernel("transpose", "--exchange", "alltoall", "--json", path, size=2)
    assert "Option exchange = alltoall" in done.stdout
    assert json.loads(path.read_text())["variant"] == "exchange=alltoall"


def test_invalid_run_leaves_an_invalid_record_without_a_rate(tmp_path):
    row = next(r for r in MISTAKES if (r.cell.runtime, r.cell.kernel) == ("serial", "stencil"))
    path = tmp_path / "record.json"
    with mutation.broken(row.mutant.module, row.source()) as broken:
        broken["PYTHONPATH"] += f":{ROOT}"
        done = kernel("stencil", "--n", 60, "--json", path, **broken)
    assert done.returncode == 1, done.stderr
    made = json.loads(path.read_text())
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert (made["status"], made["phase"]) == ("invalid", "check")
    assert made["metrics"]["rate"]["values"] == []


def test_copies_of_a_single_rank_are_refused():
    told = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0", "PMIX_NAMESPACE": "x"}
    done = kernel("stencil", **told, on="serial")
    assert done.returncode == 2
    assert "4" in own_lines(done)[0]
    done = mpirun(2, "-m", "prk.stencil", "--runtime", "serial")
    assert done.returncode == 2
    assert len(own_lines(done)) == 1


def test_help_and_matrix_work_without_mpi(tmp_path):
    """A package called mpi4py that cannot be imported must not be asked for."""
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no MPI on this login node')\n")
    for command in (["prk"], ["prk.stencil", "--help"], ["prk.stencil", "--n", "50"]):
        done = run(sys.executable, "-m", *command, PYTHONPATH=f"{tmp_path}:{ROOT}")
        assert done.returncode == 0, done.stderr
    done = run(sys.executable, "-m", "prk.stencil", "--runtime", "mpi1", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 2
    assert "no MPI on this login node" in own_lines(done)[0]
    assert "pip install" in own_lines(done)[0]


def test_matrix_lists_every_cell():
    out = run(sys.executable, "-m", "prk").stdout
    header, *rows = out.partition("\n\n")[0].splitlines()
    assert header.split() == list(registry.kernels())
    assert [row.split()[0] for row in rows] == list(registry.runtimes())
    for row in rows:
        name, *cells = row.split()
        assert cells.count("yes") == sum(registry.has(name, k) for k in registry.kernels())


def test_runtime_whose_package_is_absent_says_what_installs_it(monkeypatch, capsys):
    from prk import __main__, cli

    monkeypatch.setattr("prk.runtimes._mpi.MPIRuntime.requires", ("a_package_that_is_absent",))
    assert cli.main("stencil", ["--runtime", "mpi1"]) == 2
    assert "pip install" in capsys.readouterr().err
    assert "mpi1: a_package_that_is_absent is not installed" in __main__.matrix()


def test_doctor_finds_the_mpi_and_its_launcher():
    done = run(sys.executable, "-m", "prk", "doctor")
    assert done.returncode == 0, done.stdout
    assert "starts 2 ranks of it" in done.stdout


def test_doctor_without_a_launcher_says_what_installs_one():
    done = run(sys.executable, "-m", "prk", "doctor", PATH="/nowhere")
    assert done.returncode == 1
    assert "pip install" in done.stdout


@pytest.mark.parametrize(
    "words", [["flambe"], ["compile", "flambe"], ["compile", "stencil", "--radius", "x"]]
)
def test_wrong_command_is_refused(words):
    done = run(sys.executable, "-m", "prk", *words)
    assert done.returncode == 2
    assert len(own_lines(done)) == 1
