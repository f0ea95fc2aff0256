"""Other packages, each in an environment of its own: made where it may be, or not there with a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

HERE = Path(__file__).parent
ENVIRONMENTS = platformdirs.user_cache_path("jaxsim") / "benchmarks"
# What each is installed by; pandas, polars and NumPy come along as its own dependencies.
REQUIREMENTS = {
    "mcpower": "mcpower==1.4.1",
    "lme-python": "lme-python==0.2.7",
    "mixedlm": "mixedlm==1.3.0",
    "interlace": "interlace-lme==0.3.2",
    "statsmodels": "statsmodels==0.15.0",
}


class NotThereError(Exception):
    """A package cannot be asked; the message is the reason."""


@dataclass(frozen=True)
class Peers:
    """Environments in a folder, ``NAME-VERSION`` each; missing ones are made where ``install``."""

    folder: Path = ENVIRONMENTS
    install: bool = True

    def python(self, name: str) -> Path:
        """The interpreter of a package's environment.

        Raises:
            NotThereError: if it is not there and cannot or must not be made.
        """
        place = self.folder / REQUIREMENTS[name].replace("==", "-")
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if python.exists():
            return python
        if not self.install:
            raise NotThereError("no environment, and --no-install")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            venv.create(place, with_pip=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENTS[name]]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise NotThereError(f"no environment: {type(error).__name__}") from None
        if done.returncode:
            shutil.rmtree(place, ignore_errors=True)
            raise NotThereError(f"pip install {REQUIREMENTS[name]}: {_last(done.stderr)}")
        return python

    def ask(self, name: str, script: str, task: dict[str, Any], cache: str | None = None) -> dict[str, Any]:
        """What a script answers in a package's environment, or in this one for ``jaxsim``, with a folder of compiled programs."""
        if name == "jaxsim":
            return answer([sys.executable, str(HERE / script)], task, {} if cache is None else {"JAXSIM_CACHE": cache})
        return answer([str(self.python(name)), "-I", str(HERE / script)], task)


def answer(command: list[str], task: dict[str, Any], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON that a process prints last, given the task on its standard input, and when it ``began``.

    Raises:
        NotThereError: if it fails; the reason is its last word.
    """
    settings: dict[str, Any] = {"env": {**os.environ, **(environment or {})}, "capture_output": True, "text": True}
    began = time.time()
    done = subprocess.run(command, input=json.dumps(task), check=False, **settings)
    if done.returncode or not done.stdout.strip():
        raise NotThereError(_last(done.stderr))
    return {"began": began, **json.loads(done.stdout.splitlines()[-1])}


def _last(words: str) -> str:
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith(("WARNING", "[notice]"))]
    return lines[-1].strip()[:200] if lines else "it said nothing"
