"""The roofline: roofs measured for real, points from records, the figure and the page."""

import json
from dataclasses import asdict, replace

import pytest

from prk.harness.analyse import roofline, rows
from prk.harness.show import roofline as shown
from prk.machine import roofs
from prk.machine.roofs import Machine, Roofs
from prk.problem import Refusal
from tests.harness.making import planned, stored
from tests.harness.test_campaign import bench

# 100 and 40 GFlop/s, 10 GB/s from memory; twice that on both cores, but for the memory.
CORE = Roofs(100e9, 40e9, None, 10e9, 8e9, 200e9, None)
MACHINE = Machine(2, CORE, Roofs(200e9, 80e9, None, 15e9, 12e9, 400e9, None))


def test_roofs_are_measured_and_read(tmp_path, monkeypatch):
    for name, value in (("SIDE", 64), ("LENGTH", 1 << 14), ("ROUNDS", 1), ("PASSES", 1 << 20)):
        monkeypatch.setattr(roofs, name, value)
    found = roofs.roofs(2)
    assert all(v is None or 1e6 < v < 1e15 for v in asdict(found).values())
    assert found.bandwidth == max(found.copy, found.triad)
    path = tmp_path / "roofs.json"
    assert roofs.read(path) is None
    path.write_text(json.dumps({"schema": 1, "cores": 2, "core": asdict(CORE), "all": asdict(found)}))
    assert roofs.read(path) == Machine(2, CORE, found)
    for text in ("{", "{}", '{"schema": 9}', '{"schema": 1, "cores": 2, "core": {}, "all": {}}'):
        path.write_text(text)
        with pytest.raises(Refusal, match="holds no roofs"):
            roofs.read(path)


def test_cores_have_what_one_has_until_there_is_no_more():
    four = Machine(4, CORE, replace(MACHINE.all, copy=15e9))
    assert four.used(1) == CORE
    assert (four.used(2).copy, four.used(2).single, four.used(2).l3) == (15e9, 200e9, None)
    assert four.used(9) == four.all


def test_types_have_their_peaks():
    assert [CORE.peak(t) for t in ("float32", "float64", "bfloat16")] == [100e9, 40e9, 100e9]
    assert replace(CORE, half=300e9).peak("bfloat16") == 300e9


def dot(intensity, flops, bandwidth, cores=1, dtype="float64"):
    return roofline.Dot("k", "n", "serial", cores, dtype, intensity, flops, bandwidth)


def test_share_is_of_the_lower_roof():
    assert dot(1, 5e9, 5e9).share(MACHINE) == pytest.approx(0.5)
    assert dot(100, 20e9, 2e8).share(MACHINE) == pytest.approx(0.5)
    assert dot(100, 20e9, 2e8, dtype="float32").share(MACHINE) == pytest.approx(0.2)
    assert dot(1, 7.5e9, 7.5e9, cores=2).share(MACHINE) == pytest.approx(0.5)
    assert dot(0, 0, 2.5e9).share(MACHINE) == pytest.approx(0.25)


LINE = {"layer": "gemm m=3", "intensity": 4.0, "arithmetic": 8.0, "bandwidth": 2.0, "dtype": "float32"}


def with_tables(kept, kernel, *lines):
    """Give the records of a kernel a table."""
    for path in kept.records.iterdir():
        made = json.loads(path.read_text())
        if made["kernel"] == kernel:
            made["table"] = list(lines)
            path.write_text(json.dumps(made))


@pytest.fixture
def kept(tmp_path):
    plan = planned(
        {"kernel": ["stencil", "transpose", "synch_global"], "runtime": "mpi1", "ranks": [1, 2]},
        {"kernel": "layers", "runtime": "torch", "ranks": 2},
        repeat=3,
    )
    made = stored(tmp_path / "sweep", plan)
    with_tables(made, "layers", LINE, {**LINE, "layer": "memcpy n=3", "intensity": 0.0, "arithmetic": None})
    made.roofs.write_text(json.dumps({"schema": 1, **asdict(MACHINE)}))
    return made


def test_points_come_from_costs_and_from_tables(kept):
    found, lost = roofline.dots(rows.opened(kept).rows)
    assert lost == ["synch_global"]
    by = {(d.kernel, d.name.split()[0], d.cores): d for d in found}
    assert set(by) == {
        ("stencil", "stencil", 1), ("stencil", "stencil", 2), ("transpose", "transpose", 1),
        ("transpose", "transpose", 2), ("layers", "gemm", 2), ("layers", "memcpy", 2),
    }  # fmt: skip
    gemm = by["layers", "gemm", 2]
    assert (gemm.intensity, gemm.flops, gemm.bandwidth, gemm.dtype) == (4.0, 8e9, 2e9, "float32")
    assert by["layers", "memcpy", 2].flops == 0
    # A repetition took 0.01 s.
    stencil = by["stencil", "stencil", 1]
    cost = next(p.cost for p in kept.plan().points if p.kernel == "stencil")
    assert stencil.flops == pytest.approx(cost.flop / 0.01)
    assert stencil.intensity == pytest.approx(cost.flop / cost.bytes)
    assert by["transpose", "transpose", 2].bandwidth > 0


def test_the_command_draws_and_writes_a_page(kept, capsys):
    from prk.harness import cli

    assert cli.main(["roofline", str(kept.folder)]) == 0
    assert {p.name for p in kept.figures.glob("roofline.*")} == {
        f"roofline.{e}" for e in ("png", "svg", "pdf")
    }
    page = shown.pages(kept).read_text()
    for text in ("<svg", "SGEMM", "200.0 GFlop/s", "memcpy n=3", "synch_global", "not here, since"):
        assert text.lower() in page.lower()
    assert "http" not in page.partition("</style>")[2].replace("http://www.w3.org", "")


def test_what_has_no_place_is_refused(tmp_path):
    made = stored(tmp_path / "sweep", planned({"kernel": "synch_global", "runtime": "mpi1"}))
    made.roofs.write_text(json.dumps({"schema": 1, **asdict(MACHINE)}))
    done = bench("roofline", made.folder)
    assert done.returncode == 2
    assert "no launch gave a place in a roofline" in done.stderr
