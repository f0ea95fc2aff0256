"""Try a release as a stranger would: build it, install it where nothing of this checkout is, and use it.

    python scripts/check_release.py               # the files, a fresh environment, and what everybody has
    python scripts/check_release.py --extras      # each extra, too, in an environment of its own
    python scripts/check_release.py --extras dask s3

What is tried is in ``scripts/release``, a script for each; an extra that has none is only resolved (``cuda12``: there may be no
GPU). The distributions stay in ``dist`` if everything worked. Needs the network, some minutes, and R for the extra ``lme4``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRIED = ROOT / "scripts" / "release"
# What an extra's trial needs that is no part of it: tables as people have them; a server that answers like S3, in an environment of
# its own, for its needs are no business of the extra's.
BESIDE = {"frames": ("polars>=1.20",)}
SERVERS = {"s3": ("moto[s3]>=5", "flask>=3", "flask-cors>=4")}
# Seconds; installing an extra takes a minute or two, trying one less.
LONGEST = 1800


@dataclass
class Steps:
    """What was done, how long it took, and how it ended; ``folder`` is where all of it happens."""

    folder: Path
    lines: list[tuple[str, float, str]] = field(default_factory=list)

    def take(self, name: str, action: Callable[[], None]) -> bool:
        """Do something; whether it worked."""
        begun, ended = time.perf_counter(), "ok"
        print(f"{name} ..", flush=True)
        try:
            action()
        except subprocess.CalledProcessError as error:
            ended = "FAILED"
            print(f"{error.stdout or ''}{error.stderr or ''}\n{name}: {' '.join(map(str, error.cmd))}: status {error.returncode}")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            ended = "FAILED"
            print(f"{name}: {error}")
        self.lines.append((name, time.perf_counter() - begun, ended))
        return ended == "ok"

    def run(self, *command: object, **environment: str) -> str:
        """What a command prints; away from the checkout, with no setting of its own that would find it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=kept | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=LONGEST,
        )
        return done.stdout

    def environment(self, name: str) -> Path:
        """The Python of a new, empty environment."""
        place = self.folder / f"env-{name}"
        venv.create(place, with_pip=True, clear=True)
        return place / ("Scripts" if os.name == "nt" else "bin") / "python"

    def install(self, python: Path, *what: object) -> None:
        """Install by pip; rpy2 in a mode that needs no compiler."""
        self.run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what, RPY2_CFFI_MODE="ABI")


def main() -> int:
    """Exit status 1 if anything failed."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = [name for name in extras if name not in ("dev", "docs")]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--extras", nargs="*", metavar="EXTRA", choices=known, help=f"try these too; of {', '.join(known)}")
    asked = parser.parse_args().extras
    wanted = known if asked == [] else asked or []
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        steps = Steps(Path(folder))
        if steps.take("build", lambda: build(steps)):
            (wheel,) = (steps.folder / "dist").glob("*.whl")
            (source,) = (steps.folder / "dist").glob("*.tar.gz")
            steps.take("files", lambda: look_into(wheel, source))
            steps.take("core", lambda: try_core(steps, wheel))
            for name in wanted:
                steps.take(f"extra {name}", lambda name=name: try_extra(steps, wheel, name))  # type: ignore[misc]
        worked = all(ended == "ok" for *_, ended in steps.lines)
        if worked:
            shutil.copytree(steps.folder / "dist", ROOT / "dist", dirs_exist_ok=True)
    print("\n" + "\n".join(f"{name:<18}{seconds:7.0f} s  {ended}" for name, seconds, ended in steps.lines))
    return 0 if worked else 1


def build(steps: Steps) -> None:
    """A source distribution of the files that git knows, a wheel made from it alone, and the verdict of an index on their texts."""
    python, copy = steps.environment("build"), steps.folder / "checkout"
    steps.install(python, "build", "twine")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    steps.run(python, "-m", "build", "--outdir", steps.folder / "dist", copy)
    steps.run(python, "-m", "twine", "check", "--strict", *(steps.folder / "dist").iterdir())


def look_into(wheel: Path, source: Path) -> None:
    """Whether every file of the package is in both, those of the tests in the source, and nothing else in the wheel."""
    package = {
        str(path.relative_to(ROOT)) for path in (ROOT / "jaxsim").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as file:
        in_wheel = {name for name in file.namelist() if ".dist-info/" not in name}
        licences = [name for name in file.namelist() if name.endswith("/licenses/LICENSE")]
    with tarfile.open(source) as archive:
        in_source = {name.partition("/")[2] for name in archive.getnames()}
    assert in_wheel == package, f"in the wheel, or in the package, alone: {sorted(in_wheel ^ package)}"
    assert licences, "the wheel has no licence"
    needed = package | {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "tests/conftest.py",
        "tests/reference/data/sleepstudy.csv",
    }
    assert needed <= in_source, f"the source lacks {sorted(needed - in_source)}"


def try_core(steps: Steps, wheel: Path) -> None:
    """What everybody has: the command, a study with its report, a fit of a DataFrame."""
    python = steps.environment("core")
    steps.install(python, wheel)
    command = python.parent / "jaxsim"
    assert steps.run(command, "--version").startswith(f"jaxsim {wheel.name.split('-')[1]} (JAX "), "jaxsim --version"
    try_script(steps, python, "core")


def try_extra(steps: Steps, wheel: Path, name: str) -> None:
    """What an extra is for."""
    wanted = f"{wheel}[{name}]"
    if not (TRIED / f"{name}.py").exists():
        resolve(steps, wanted)
        return
    python = steps.environment(name)
    steps.install(python, wanted, *BESIDE.get(name, ()))
    server = ()
    if name in SERVERS:
        server = (steps.environment(f"{name}-server"),)
        steps.install(*server, *SERVERS[name])
    try_script(steps, python, name, *server)
    shutil.rmtree(python.parents[1])


def resolve(steps: Steps, wanted: str) -> None:
    """Whether there are versions that go together; nothing is installed."""
    python = steps.environment("resolve")
    steps.run(python, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check", wanted)


def try_script(steps: Steps, python: Path, name: str, *more: Path) -> None:
    """Run a script of ``scripts/release`` in a folder of its own, which it is told of, and of more."""
    place = steps.folder / f"try-{name}"
    place.mkdir()
    script = shutil.copy2(TRIED / f"{name}.py", place / "trial.py")
    steps.run(python, "-W", "ignore", script, place, *more, JAXSIM_CACHE=str(steps.folder / "programs"))


if __name__ == "__main__":
    sys.exit(main())
