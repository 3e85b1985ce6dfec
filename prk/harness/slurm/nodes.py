"""The nodes of a job: whether all of them work, and a folder on each that goes when the job does."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import prk
from prk.harness.execute import launch, progress
from prk.harness.execute.command import Launch
from prk.harness.slurm import queue, step
from prk.harness.slurm.site import Site
from prk.run import launcher, processes, reason, registry

# Seconds that all nodes have to make their folder, and to start Python.
LIMIT = 300
# What no rank needs of Python's library, for tar.
UNUSED = [f"--exclude={name}" for name in ("site-packages", "test", "ensurepip", "idlelib", "config-*")]
# Of the step that holds the folders; Slurm's lists of steps show it.
NAME = "prk-nodes"
# Makes the folder $0, unpacks the archives that follow into one of its own each, and waits for the end of its
# input or of the job. Nodes that share the place find it there, and wait for whoever has made it. An archive
# that was broadcast stands beside the folder, as $0.NAME.tar. The environment's Python is told where the copy
# of its own library is, if there is one.
HOLD = """
exec 3<&0
trap 'rm -rf "$0" "$0".*.tar' EXIT
trap 'exit 1' TERM
fail() { echo "$SLURMD_NODENAME cannot $*"; exit 1; }
if mkdir -m 700 "$0" 2>/dev/null; then
    mkdir "$0/cache" || fail "write to $0"
    for archive; do
        name=$(basename "$archive" .tar)
        into=$0/${name##*.}
        mkdir "$into" && tar -C "$into" -xf "$archive" || fail "unpack $archive in $0"
    done
    if [ -d "$0/python" ]; then
        sed -i "s|^home = .*|home = $0/python/bin|" "$0/environment/pyvenv.cfg" || fail "write in $0"
    fi
    touch "$0/.whole"
fi
[ -O "$0" ] || fail "make $0"
while [ ! -e "$0/.whole" ]; do sleep 0.1; done
echo "$SLURMD_NODENAME ready"
cat <&3 >/dev/null &
wait
"""
# Says what Python says if it cannot start the package.
CHECK = """
if why=$("$@" -c 'import numba, prk.cli' 2>&1); then
    echo "$SLURMD_NODENAME ready"
else
    echo "$SLURMD_NODENAME cannot start prk: $(printf '%s\\n' "$why" | tail -n 1)"
fi
"""


class Broken(Exception):
    """Some nodes do not work; which ones and why."""


class Nodes:
    """The nodes of a job, by name, and where their folders and the programs' Python are."""

    def __init__(self, site: Site, job: str, names: Sequence[str], shared: Path):
        self.site, self.job, self.names, self.shared = site, job, names, shared
        # Nobody else can have made a folder of this name.
        self.folder = Path(os.environ.get("TMPDIR", "/tmp"), f"prk-{job}-{secrets.token_hex(4)}")
        self.python = sys.executable
        # What is packed, by the name of its archive, and what the variables were before copies were used.
        self.staged: dict[str, tuple[Path, list[str]]] = {}
        self.before: dict[str, str] = {}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep a folder on every node while the context lasts. Raises Broken if one cannot be made."""
        archives = self._broadcast(self._packed()) if self.site.stage else []
        self.before = _environment()
        words = ["sh", "-c", HOLD, str(self.folder), *map(str, archives)]
        log = self.shared / "held"
        with log.open("w") as out:
            holder = subprocess.Popen(
                step.on_every_node(len(self.names), words, NAME),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,
            )
        try:
            processes.wait_until(
                lambda: holder.poll() is not None or self._answered(log.read_text()), LIMIT, 0.05
            )
            self._refuse(log.read_text())
            if self.site.cache is None:
                os.environ["NUMBA_CACHE_DIR"] = str(self.folder / "cache")
            if "checkout" in self.staged:
                os.environ["PYTHONPATH"] = f"{self.folder}/checkout:{os.environ.get('PYTHONPATH', '')}"
            yield
        finally:
            _end(holder)

    def check(self) -> None:
        """Raise Broken if Python cannot start the package on every node, or Slurm knows of a broken one."""
        with contextlib.suppress(queue.SlurmError):
            # A job that outlives its nodes may be without one that is there again.
            if down := queue.broken(self.names) or queue.lost(self.job, self.names):
                raise Broken(", ".join(down))
        words = ["sh", "-c", CHECK, "sh", *self.site.wrapper, self.python]
        command = step.on_every_node(len(self.names), words, "prk-check")
        ended = launch.run(command, _environment(), LIMIT, self.shared / "check")
        self._refuse(f"{ended.out}\n{ended.err}")

    def placed(self, one: Launch) -> Launch:
        """Return the launch with the Python that these nodes have copies of."""
        return replace(
            one, command=tuple(self.python if word == sys.executable else word for word in one.command)
        )

    def _said(self, text: str) -> dict[str, str]:
        """Return what each node said, among the lines of Slurm's own."""
        # The last line may not be whole yet.
        lines = dict(line.partition(" ")[::2] for line in text.rpartition("\n")[0].splitlines())
        return {name: lines[name] for name in self.names if name in lines}

    def _answered(self, text: str) -> bool:
        said = self._said(text)
        return len(said) == len(self.names) or any(why != "ready" for why in said.values())

    def _refuse(self, text: str) -> None:
        """Raise Broken unless all nodes said that they are ready; Slurm may say why one says nothing."""
        said = self._said(text)
        slurm = [line for line in text.splitlines() if line.partition(" ")[0] not in self.names]
        why = f" ({found})" if (found := reason.said("\n".join(slurm))) else ""
        # What a node says first, rather than the silence of those that wait for it.
        wrong = [f"{n} {what}" for n, what in said.items() if what != "ready"]
        wrong += [f"{n} does not answer{why}" for n in self.names if n not in said]
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise Broken(f"{wrong[0]}{more}")

    def _packed(self) -> list[Path]:
        """Pack this Python's environment, and a checkout, for nodes to have copies of their own."""
        root = Path(prk.__file__).resolve().parents[1]
        prefix, base = Path(sys.prefix), Path(sys.base_prefix)
        if not prefix.is_relative_to("/usr"):
            self.staged["environment"] = (prefix, ["."])
            self.python = str(self.folder / "environment" / Path(sys.executable).relative_to(prefix))
            if base != prefix and not base.is_relative_to("/usr"):
                # A virtual environment has no library of its own.
                library = str(Path(sysconfig.get_path("stdlib")).relative_to(base))
                self.staged["python"] = (base, [*UNUSED, library])
        if (root / "bench.py").exists():
            self.staged["checkout"] = (root, ["-h", "prk"])
        found = []
        for name, (folder, what) in self.staged.items():
            found.append(self.shared / f"{name}.tar")
            words = ["tar", "-C", str(folder), "-cf", str(found[-1]), *what]
            # 1: a file changed meanwhile, as those of compiled modules do.
            if subprocess.run(words, check=False).returncode > 1:
                raise Broken(f"{folder} cannot be packed into {self.shared}")
        return found

    def _broadcast(self, archives: Sequence[Path]) -> list[Path]:
        """Let Slurm copy archives to all nodes, so that not all of them read one; return where they are."""
        found = []
        for archive in archives:
            there = self.folder.with_name(f"{self.folder.name}.{archive.name}")
            words = ["sbcast", "--force", str(archive), str(there)]
            try:
                done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=LIMIT)
                wrong = done.stderr.strip() if done.returncode else ""
            except (OSError, subprocess.TimeoutExpired) as error:
                wrong = str(error)
            if wrong:
                progress.say(
                    f"not broadcast, each node reads it: {archive.name} ({reason.said(wrong) or wrong})"
                )
            found.append(archive if wrong else there)
        return found

    def opened(self, runtime: str, kernel: str) -> str:
        """Say how many files a rank's start opens where the environment is, and where the nodes have copies.

        Measured by starting one on the first node, by either Python.
        """
        # An environment may lie in the checkout, of which only the package is packed.
        places = [str(folder / what[-1]) for folder, what in self.staged.values()]
        layout = {"ranks": 1, "nodes": 1, "ranks_per_node": 1, "threads": 1}
        start = step.by_mpi if registry.runtime(runtime).launched else step.srun
        told = []
        for python, variables in ((sys.executable, self.before), (self.python, _environment())):
            words = [*self.site.wrapper, python, "-m", "prk.run.opened", runtime, kernel, *places]
            command = [*start(self.site, layout, LIMIT, self.names[:1]), *words]
            ended = launch.run(command, variables, LIMIT, self.shared / "opened")
            lines = [line for line in ended.out.splitlines() if line.startswith("{")]
            if ended.code or not lines:
                return f"files not counted: {reason.said(ended.err) or 'no answer'}"
            found = json.loads(lines[-1])
            shared = sum(found["below"][place] for place in places)
            told.append(f"{shared} of {found['files']}")
        return f"a rank's start opens {told[0]} files where the environment is, and from copies {told[1]}"


def _environment() -> dict[str, str]:
    return {**os.environ, **launcher.environment(False)}


def _end(holder: subprocess.Popen[bytes]) -> None:
    """End the step that holds the folders: at the end of its input it takes them away."""
    with contextlib.suppress(OSError):
        if holder.stdin:
            holder.stdin.close()
    try:
        holder.wait(30)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.wait()
