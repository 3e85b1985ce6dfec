"""Tests for ReFrame: every kernel on every runtime, right by its record, its metrics beside references.

    reframe -C site.py -c $(prk-bench reframe) -r --exec-policy=serial -n '%kernel=stencil%runtime=mpi1%'
    reframe -C site.py -c $(prk-bench reframe) -r --exec-policy=serial -n '%kernel=stencil%runtime=mpi1%' \
        -P ranks=64,512 -S arguments=--n,49152 -S references=$PWD/reference.json

One after the other (--exec-policy=serial), or runs that share a node disturb each other. A site's own tests
derive from KernelRun. PRK_PYTHON names prk's Python where ReFrame has another one; this file imports no prk.
"""

import json
import os
import statistics
import subprocess
import sys

import reframe as rfm
import reframe.utility.sanity as sn
import reframe.utility.typecheck as typ
from reframe.core.backends import getlauncher
from reframe.core.builtins import parameter, run_before, sanity_function, variable
from reframe.core.exceptions import SanityError

PYTHON = os.environ.get("PRK_PYTHON", sys.executable)
RECORD = "record.json"


def cells():
    """Return what prk says of each kernel on each runtime, by their names."""
    words = [PYTHON, "-m", "prk.harness.cli", "reframe", "--cells"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        why = "".join(done.stderr.splitlines()[-1:])
        raise RuntimeError(f"PRK_PYTHON: {PYTHON} does not run prk ({why}); name a Python that has it")
    return {(c["kernel"], c["runtime"]): c for c in json.loads(done.stdout)}


CELLS = cells()


class KernelRun(rfm.RunOnlyRegressionTest):
    """One run of a kernel: `ranks` processes of an MPI launcher, or as many threads or workers on one node.

    A derived test states kernels, runtimes and ranks as its own parameters, `arguments` of the kernel's
    command, and `reference` as any test of ReFrame does, by a metric's name in the record. Or it names in
    `references` a file that prk-bench reference wrote, which then must have the run's point.
    """

    kernel = parameter(dict.fromkeys(kernel for kernel, _ in CELLS))
    runtime = parameter(dict.fromkeys(runtime for _, runtime in CELLS))
    ranks = parameter([1, 2])
    # Threads in each process of an MPI launcher, on runtimes that have them.
    threads = variable(int, value=1)
    arguments = variable(typ.List[str], value=[])
    references = variable(str, value="")

    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    keep_files = [RECORD]
    time_limit = "10m"

    @property
    def cell(self):
        return CELLS[self.kernel, self.runtime]

    @run_before("setup")
    def skip_absent(self):
        """Skip what prk does not have, or cannot run here, with its reason."""
        why = self.cell["why"]
        if not (why or self.cell["launched"] or self.cell["count"]) and self.ranks > 1:
            why = f"{self.runtime} is one process"
        self.skip_if(bool(why), why)

    @run_before("setup")
    def ask(self):
        """Ask for as many tasks as a launcher starts, and the cores of each."""
        launched = self.cell["launched"]
        self.num_tasks = self.ranks if launched else 1
        self.num_cpus_per_task = self.threads if launched else self.ranks

    @run_before("run")
    def command(self):
        """State the command; what starts its own processes needs no launcher."""
        count = self.threads if self.cell["launched"] else self.ranks
        self.executable = PYTHON
        self.executable_opts = [
            *("-m", self.cell["module"], "--runtime", self.runtime, "--json", RECORD),
            *([f"--{self.cell['count']}", str(count)] if self.cell["count"] else []),
            *(["--expect-ranks", str(self.ranks)] if self.cell["launched"] else []),
            *self.arguments,
        ]
        if not self.cell["launched"]:
            self.job.launcher = getlauncher("local")()

    @sanity_function
    def right(self):
        """Return True if the run ended well and its record is of a right answer. Raises SanityError."""
        record, code = self.read(RECORD), self.job.exitcode
        if record is None:
            raise SanityError(f"no record, exit code {code}: {self.said()}")
        if record["status"] not in ("ok", "missed"):
            raise SanityError(f"{record['status']}: {record['reason']}")
        if code:
            raise SanityError(f"its record is {record['status']}, but the exit code {code}: {self.said()}")
        if self.references:
            self.expected(record)
        return True

    @run_before("performance")
    def measure(self):
        """State every metric of the record, the median of its samples, and what is expected of it."""
        record = self.read(RECORD)
        for name, metric in record["metrics"].items():
            if metric["values"]:
                median = statistics.median(metric["values"])
                self.perf_variables[name] = sn.make_performance_function(sn.defer(median), metric["unit"])
        if self.references:
            self.reference = {"*": self.expected(record)}

    def expected(self, record):
        """Return ReFrame's reference of the record's point. Raises SanityError if the file has none."""
        found = self.read(self.references)
        if found is None:
            raise SanityError(f"references: {self.references} cannot be read; name the whole path of a file")
        rows = [row for row in found["points"] if row["point"] == record["point"]]
        if not rows:
            raise SanityError(f"references: {self.references} has no point like this one, {record['point']}")
        (row,) = rows
        name, unit, lost = row["metric"], row["unit"], row["tolerance"]
        counted = record["metrics"][name]["unit"]
        if unit != counted:
            raise SanityError(f"references: {name} is in {unit}, the record's in {counted}")
        # A part of the rate that may be lost is a larger part of the time.
        low, high = (-lost, None) if row["larger_is_better"] else (None, lost / (1 - lost))
        return {name: (statistics.median(row["values"]), low, high, unit)}

    def read(self, path):
        """Return what a file of JSON holds, or None if there is none."""
        try:
            with open(os.path.join(self.stagedir, path)) as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def said(self):
        """Return the line by which prk says what is wrong, or the last one of all that was said."""
        with open(os.path.join(self.stagedir, str(self.stderr))) as file:
            lines = file.read().splitlines()
        return next((line for line in lines if line.startswith("prk.")), "".join(lines[-1:]))


@rfm.simple_test
class Prk(KernelRun):
    """Every kernel on every runtime, in its usual size."""
