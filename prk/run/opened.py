"""The files that a rank opens before it begins: python -m prk.run.opened RUNTIME KERNEL FOLDER... as JSON.

Distinct files in all, and below each folder: what Python opens (by an audit hook), the modules that were
there before that, and the libraries that are mapped. Files that are only looked for are not counted.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def opened(runtime: str, kernel: str) -> set[str]:
    """Import all that a rank of a kernel does; return the real paths of the files that were opened."""
    seen: set[str] = set()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments and isinstance(arguments[0], str | bytes):
            seen.add(os.fsdecode(arguments[0]))

    sys.addaudithook(note)
    from prk.run import registry

    registry.kernel_class(runtime, kernel)
    for module in list(sys.modules.values()):
        seen.update(p for name in ("__cached__", "__file__") if (p := getattr(module, name, None)))
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    seen.update(line.split(maxsplit=5)[5] for line in lines if "/" in line)
    return {os.path.realpath(path) for path in seen if os.path.isfile(path)}


def main(words: Sequence[str]) -> int:
    runtime, kernel, *folders = words
    found = opened(runtime, kernel)
    below = {
        folder: sum(Path(path).is_relative_to(os.path.realpath(folder)) for path in found)
        for folder in folders
    }
    print(json.dumps({"files": len(found), "below": below}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
