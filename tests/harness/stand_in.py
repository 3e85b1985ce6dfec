"""Stand-ins for programs of others, which print PRK's lines more or less: stand_in.py KIND ITERATIONS N."""

import random
import sys
import time


def main(kind, iterations, n):
    print(f"Parallel Research Kernels version 2.17\nMPI stencil execution on 2D grid\nGrid size = {n}")
    print(f"Number of iterations   = {iterations}")
    seconds = random.uniform(1e-3, 1e-1) if kind == "noisy" else 1e-3
    rate = 35 * (n - 8) ** 2 / seconds / 1e6
    verdict, unit = "Solution validates", "MFlops/s"
    match kind:
        case "wrong":
            verdict = "ERROR: L1 norm = 3.0, Reference L1 norm = 22.0"
        case "silent":
            return 0
        case "hanging":
            time.sleep(600)
        case "garbage":
            sys.stdout.buffer.write(bytes(range(256)) * 64 + b"\nRate (MFlops/s): \xff Avg time (s):\n")
            return 0
        case "failing":
            print("Cannot allocate the grid", file=sys.stderr)
            return 3
        case "nonumber":
            rate = "nan"
        case "otherunit":
            unit = "MB/s"
        case "rounded":
            rate *= 1.5
    print(f"{verdict}\nRate ({unit}): {rate}  Avg time (s): {seconds}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
