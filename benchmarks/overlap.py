"""Show how much of the gradients' way is hidden behind the backward pass: `python benchmarks/overlap.py`.

Two ranks on two cores that share memory can hide nothing: copying and adding is work of the very cores that
compute. So the ranks also run over a link as slow as asked for, where a message spends its time waiting: TCP
over the loopback of a network namespace of their own, shaped by tc (Linux; the packages iproute2 and
util-linux). Nothing else may run meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from prk.records import read
from prk.run import launcher

SHAPE = (
    'ip link set lo up && tc qdisc add dev lo root tbf rate "$1" burst 256kb latency 1s && shift && exec "$@"'
)
TCP = {
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "tcp,self",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "GLOO_SOCKET_IFNAME": "lo",
}
# The runtime's options that say how gradients are reduced meanwhile.
WAYS = {
    **{way: ["--runtime", "mpi1", "--overlap", way] for way in ("no", "nonblocking", "thread")},
    "torch": ["--runtime", "torch"],
}
COLUMNS = ("step", "compute", "exposed", "hidden")


def run(link: str, way: str, options: list[str]) -> dict[str, Any]:
    """Train once; return the row of its record's table. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        words = [*launcher.words({"ranks": 2}), sys.executable, "-m", "prk.ddp", *WAYS[way], *options]
        words += ["--json", str(path)]
        if link:
            words = ["unshare", "--net", "--map-root-user", "sh", "-c", SHAPE, "sh", link, *words]
        environment = {**os.environ, **launcher.environment(False), **(TCP if link else {})}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        row: dict[str, Any] = read.read(path)["table"][0]
        return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--links", default=",4gbit", help="comma-separated rates for tc; empty: shared memory"
    )
    parser.add_argument("--weights", type=int, default=6_553_600)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--bucket-mb", type=float, default=7.0, help="a layer a bucket (default: 7)")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS), help=f"of {', '.join(WAYS)} (default: all)")
    arguments = parser.parse_args()
    given = [f"--{k}={getattr(arguments, k)}" for k in ("weights", "batch", "iterations")]
    options = ["--workload", "synthetic", f"--bucket-mb={arguments.bucket_mb}", *given]
    print(f"2 ranks, medians of {arguments.repeats} runs, ms a step")
    print("".join([f"{'link':<16}{'overlap':<14}", *(f"{c:>10}" for c in COLUMNS)]))
    for link in arguments.links.split(","):
        ways = arguments.ways.split(",")
        turns = [[run(link, way, options) for way in ways] for _ in range(arguments.repeats)]
        for way, *rows in zip(ways, *turns, strict=True):
            values = (statistics.median(row[c] for row in rows) for c in COLUMNS)
            shown = "".join(f"{v:>10.1f}" for v in values)
            print(f"{link or 'shared memory':<16}{way:<14}{shown}", flush=True)


if __name__ == "__main__":
    main()
