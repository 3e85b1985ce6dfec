"""Keep prk/runtimes and prk/jobs as links in a source distribution, which pyproject.toml cannot say."""

from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

LINKS = [path for path in Path("prk").iterdir() if path.is_symlink()]


class Linked(sdist):
    """Else it would hold these folders twice, and its tests would change one and run the other."""

    def make_release_tree(self, base_dir, files):
        own = [name for name in files if not {*LINKS} & {*Path(name).parents}]
        super().make_release_tree(base_dir, own)
        for link in LINKS:
            Path(base_dir, link).symlink_to(link.readlink())


setup(cmdclass={"sdist": Linked})
