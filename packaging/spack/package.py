from spack.package import depends_on, license, variant, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyPrk(PythonPackage):
    """Parallel Research Kernels for Python: exact, self-validating, at compiled speed."""

    homepage = "https://pypi.org/project/prk/"
    pypi = "prk/prk-0.2.0.tar.gz"

    license("BSD-3-Clause")

    version("0.2.0", sha256="0000000000000000000000000000000000000000000000000000000000000000")

    variant("slurm", default=True, description="Sweeps as jobs of Slurm")
    variant("plot", default=True, description="Figures and pages")
    variant("dask", default=False, description="The runtime dask")
    variant("ml", default=False, description="The runtime torch, and training")

    depends_on("python@3.11:", type=("build", "run"))
    depends_on("py-setuptools@77:", type="build")

    depends_on("py-numpy@1.26:", type=("build", "run"))
    depends_on("py-numba@0.61:", type=("build", "run"))
    depends_on("py-mpi4py@4.0:", type=("build", "run"))

    depends_on("py-jinja2@3.1:", type=("build", "run"), when="+slurm")

    depends_on("py-matplotlib@3.8:", type=("build", "run"), when="+plot")
    depends_on("py-jinja2@3.1:", type=("build", "run"), when="+plot")
    depends_on("py-rich@13.7:", type=("build", "run"), when="+plot")

    depends_on("py-dask@2025.1:", type=("build", "run"), when="+dask")
    depends_on("py-distributed@2025.1:", type=("build", "run"), when="+dask")

    depends_on("py-torch@2.4:", type=("build", "run"), when="+ml")
    depends_on("py-scikit-learn@1.4:", type=("build", "run"), when="+ml")
