"""What cells say that members send: pure, and kept by those whose members no mpirun starts."""

import sys
from typing import Any

import numpy as np
import pytest

from prk.run import registry
from prk.runtime import Runtime, Sent
from prk.runtimes._tagged import Counting
from tests import cells
from tests.launch import run

# Runtimes of which nothing is said: one member, and threads that share all.
ALONE = {"serial", "numba"}
# PyTorch groups gradients anew after a step. What is inferred on depends on when queries come.
UNKNOWN = {"torch": {"ddp"}}
LARGE = 1 << 23
SIZES = (1, 2, 3, 4, 6, 12, 64)


def said(name, kernel):
    """Yield jobs of a cell with the sizes and what each member says that it sends."""
    how = registry.runtime(name)
    for size in SIZES:
        for job in cells.jobs(name, kernel, size):
            if size % how.members_a_rank(kernel, job.options):
                continue
            found = [how.messages(kernel, job.problem, job.options, size, rank) for rank in range(size)]
            if None not in found:
                yield job, size, found


def test_every_cell_that_sends_says_what():
    for how in registry.usable():
        silent = {k for k in registry.kernels() if registry.has(how.name, k) and not how.cell(k).messages}
        assert how.name in ALONE or silent <= UNKNOWN.get(how.name, {"inference"}), how.name


@pytest.mark.parametrize("kernel", ["stencil", "synch_p2p", "transpose"])
@pytest.mark.parametrize("name", ["mpi1", "mpirma", "mpithreads", "shmem", "charm4py", "dask"])
def test_the_busiest_member_sends_no_less_than_the_problem_s_cost(name, kernel):
    checked = 0
    for job, size, found in said(name, kernel):
        if job.options.get("exchange") == "alltoall":
            continue
        cost = job.problem.cost(size)
        assert max(s.messages for s in found) >= cost.messages, (job, size)
        assert max(s.bytes for s in found) >= cost.message_bytes, (job, size)
        checked += 1
    assert checked > len(SIZES)


def test_no_allreduce_moves_less_than_the_ring():
    made: Any = registry.problem_class("allreduce")
    problem = made(min_bytes=LARGE, max_bytes=LARGE)

    def moved(algorithm: str, size: int) -> int:
        options = {"algorithm": algorithm}
        how = registry.runtime("mpi1")
        each: list[Any] = [how.messages("allreduce", problem, options, size, rank) for rank in range(size)]
        return sum([one.bytes for one in each])

    for size in SIZES[1:]:
        least = 2 * (size - 1) * LARGE
        assert moved("ring", size) == least
        assert moved("rabenseifner", size) >= least
        assert moved("recursive-doubling", size) >= least


def test_groups_are_as_large_as_the_nodes_let_them_be():
    """What is sent depends on that, and it is known only when the team is up."""
    how: Any = type(registry.runtime("mpishm"))()
    made: Any = registry.problem_class("synch_p2p")
    problem = made(m=40, n=12)
    options = {"group-size": None, "local-sync": "messages"}
    assert how.messages("synch_p2p", problem, options, 4, 1) is None
    how.found = 2
    assert how.messages("synch_p2p", problem, options, 4, 1) == Sent(11, 88)
    assert how.messages("synch_p2p", problem, options, 4, 0) == Sent()
    how.found = 4
    assert how.messages("synch_p2p", problem, options, 4, 1) == Sent()


class OpenSHMEM:
    """A team on a real OpenSHMEM, by what tells it."""

    shmem = None


@pytest.mark.parametrize("how", [Runtime(), registry.runtime("shmem")])
def test_a_runtime_that_cannot_count_yields_the_team_itself(how):
    team = OpenSHMEM()
    with how.counted(team) as (same, sent):
        assert same is team
        assert sent is None


class Silent:
    """A team of one that keeps what is sent."""

    rank, size, repetitions, here = 0, 1, 0, (0,)

    def __init__(self):
        self.kept = []

    def send(self, to, tag, *data):
        self.kept.append((to, tag, data))

    def give_way(self):
        self.send(0, "go on")


ONE_MESSAGE = """
import sys
import numpy as np
from prk import cli
from prk.runtimes.mpi1 import synch_p2p
class Kernel(synch_p2p.Kernel):
    def setup(self):
        super().setup()
        self.buffer = np.empty(self.problem.n - 1)
synch_p2p.Kernel = Kernel
sys.exit(cli.main("synch_p2p", ["--m", "40", "--n", "50", "--runtime", "mpi1", *sys.argv[1:]]))
"""


def test_one_message_in_place_of_49_passes_all_but_an_audit():
    words = ["mpirun", "-n", 3, sys.executable, "-c", ONE_MESSAGE]
    done = run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(*words, "--audit")
    assert done.returncode == 1
    assert "members that send what the model does not" in done.stdout


def test_an_ordinary_run_imports_nothing_that_counts():
    program = (
        "import sys; from prk import cli; code = cli.main('stencil', ['--quiet', *sys.argv[1:]]);"
        "own = ('.count', '.linked', '.interpose', '.clocks', '.recorder');"
        "print(*(m for m in sys.modules if m.endswith(own))); sys.exit(code)"
    )
    done = run("mpirun", "-n", 1, sys.executable, "-c", program, "--runtime", "mpi1", "--n", 40)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""


def test_a_counting_team_is_the_team_itself_but_for_what_is_sent():
    team: Any = Silent()
    counting = Counting(team)
    counting.repetitions += 1
    counting.send(0, "a", np.zeros(3))
    counting.send(0, "b", 7, 1.5)
    counting.send(0, "c", 7)
    counting.give_way()
    assert counting.sent == Sent(2, 32)
    assert team.repetitions == 1
    assert [tag for _, tag, _ in team.kept] == ["a", "b", "c", "go on"]


TEAMS = [("charm4py", {"pe": n}) for n in (1, 2, 3, 4)] + [("dask", {"workers": n}) for n in (1, 2, 3, 4)]
TEAMS.append(("charm4py", {"pe": 2, "overdecomposition": 2}))


@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize(("name", "options"), TEAMS)
def test_what_is_sent_is_what_the_cell_says(name, options):
    words = [f"{option}={value}" for option, value in options.items()]
    done = run(sys.executable, "-m", "tests.counts", name, *words, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cases counted" in done.stdout
