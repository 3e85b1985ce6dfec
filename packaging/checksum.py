"""Write the SHA-256 of a release's source archive into the recipes: python packaging/checksum.py SDIST."""

import re
import sys
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
RECIPES = ("spack/package.py", "easybuild/*.eb", "conda-forge/recipe.yaml")
# As it stands in each of them, in the quotes of the file.
CHECKSUM = re.compile(r"""(?<=["'])[0-9a-f]{64}(?=["'])""")


def main(sdist: Path, folder: Path = HERE) -> None:
    """Write the archive's checksum into every recipe under `folder`, which has one each."""
    checksum = sha256(sdist.read_bytes()).hexdigest()
    for path in (p for recipe in RECIPES for p in folder.glob(recipe)):
        text, places = CHECKSUM.subn(checksum, path.read_text())
        if places != 1:
            sys.exit(f"{path}: {places} checksums, expected one")
        path.write_text(text)
        print(f"{path}: {checksum}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
