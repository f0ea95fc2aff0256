"""What a release consists of: a wheel built here has every file that the package reads, and nothing else."""

from __future__ import annotations

import email
import fnmatch
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import jaxsim
from jaxsim.cli.doctor import CORE_PACKAGES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = set(PROJECT["project"]["optional-dependencies"])
OF_A_CLONE = {"dev", "docs"}
# What a build reads besides the package; MANIFEST.in names the rest of a source distribution.
READ = ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md", "docs", "tests/conftest.py", "tests/lme4")


def package_files() -> set[str]:
    """Every file of the package, from the root of the repository."""
    found = (path for path in (ROOT / "jaxsim").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source distribution, made from a copy by the setuptools that is installed: no network, no environment."""
    pytest.importorskip(
        "setuptools", minversion="77"
    )  # the first that reads a licence as pyproject.toml has it; the extra dev has it
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT / "jaxsim", copy / "jaxsim", ignore=shutil.ignore_patterns("__pycache__"))
    for name in READ:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, copy / name)
    for kind in ("wheel", "sdist"):
        code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
        done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(wheel.read(name))


def test_a_wheel_has_the_package_whole_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
        (points,) = [wheel.read(name).decode() for name in about if name.endswith("entry_points.txt")]
    assert names - about == package_files()
    assert any(name.endswith("/licenses/LICENSE") for name in about)
    assert "jaxsim = jaxsim.cli.command:command" in points


def test_every_file_that_is_no_code_is_named_for_a_wheel():
    """As above, where setuptools is too old to build one."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    others = {name for name in package_files() if not name.endswith(".py")}
    assert {Path(name).suffix for name in others} >= {".R", ".json", ".html", ".typed"}
    unnamed = [name for name in others if not any(fnmatch.fnmatch(Path(name).name, pattern) for pattern in patterns)]
    assert not unnamed
    folders = {Path(name).parent for name in others}
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders), "data of a folder that is no package is left out"


def test_a_source_distribution_has_what_tests_and_texts_need(built):
    with tarfile.open(built[1]) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert package_files() <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "docs/package.md", "tests/conftest.py"} <= names
    assert any(name.endswith(".R") for name in names if name.startswith("tests/lme4/"))


def test_metadata(metadata):
    assert metadata["Name"] == "jaxsim-studies"
    assert metadata["Version"] == jaxsim.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "docs" / "package.md").read_text().strip()


def test_an_index_can_show_the_description():
    """It has no links and pictures of the repository, which would lead nowhere there; README.md has some."""
    text = (ROOT / PROJECT["project"]["readme"]).read_text()
    assert not [target for target in re.findall(r"\]\(([^)]*)\)", text) if not target.startswith("https://")]
    assert "<img" not in text


def test_the_version_is_the_same_everywhere():
    version = re.escape(jaxsim.__version__)
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "jaxsim.version.VERSION"}
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    first = re.search(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.match(rf"## {version} \(", first[0])


def test_every_extra_is_tried_and_told_of():
    tried = {path.stem for path in (ROOT / "scripts" / "release").glob("*.py")} - {"core"}
    assert tried == {name for name in EXTRAS if name not in OF_A_CLONE and not name.startswith("cuda")}
    told = re.search(r"^## Extras$(.*)", (ROOT / "docs" / "package.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", told)) >= EXTRAS - OF_A_CLONE
    assert set(re.findall(r"`(\w+)`", (ROOT / "docs" / "how-to" / "install.md").read_text())) >= EXTRAS


def test_what_is_needed_is_what_the_doctor_looks_for():
    needed = {re.match(r"[a-z0-9-]+", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert needed == {*CORE_PACKAGES, "jax"}
