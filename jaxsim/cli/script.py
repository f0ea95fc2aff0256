"""An experiment script as a module: its classes can be found again, and what lies beside it can be imported."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jaxsim.errors import InputError

if TYPE_CHECKING:
    from jaxsim.study.study import Study

# The module's name; descriptions of classes have that of the file.
NAME = "jaxsim_experiment"


class ScriptError(InputError):
    """An error that a user's script raised; ``script`` is its file, the cause what it raised."""

    def __init__(self, message: str, script: str) -> None:
        super().__init__(message)
        self.script = script


def load_script(script: Path) -> ModuleType:
    """Execute a script as a module of its own, with its folder first among those that Python imports from, as Python does.

    Raises:
        InputError: if it is no file, or no Python.
        ScriptError: if it raises an error of its own.
    """
    if not script.is_file():
        raise InputError(f"{script} is not a file; give an experiment script such as experiments/seed_grid.py.")
    place = str(script.resolve().parent)
    if place not in sys.path:
        sys.path.insert(0, place)
    spec = importlib.util.spec_from_file_location(NAME, script.resolve())
    if spec is None or spec.loader is None:
        raise InputError(f"{script} is no Python file; give an experiment script such as experiments/seed_grid.py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise _whose(script, error) from error
    return module


def _whose(script: Path, error: Exception) -> InputError:
    """A script that Python cannot read is a mistake of one line; what it does itself when it runs, its author needs to see."""
    file = str(script.resolve())
    if isinstance(error, SyntaxError) and error.filename in (file, None, "<string>"):
        where = f", line {error.lineno}" if error.lineno else ""
        return InputError(f"{script} is no Python that can be read{where}: {error.msg}. Save it as UTF-8, and correct it.")
    if isinstance(error, OSError) and error.filename == file:
        return InputError(f"{script} cannot be read: {error.strerror}.")
    return ScriptError(
        f"{script} itself raised {type(error).__name__} while it was loaded; the traceback above is the script's.", file
    )


def study_of(script: Path) -> Study:
    """The study that a script defines.

    Raises:
        InputError: if it defines none.
    """
    from jaxsim.study.study import Study  # noqa: PLC0415 - keeps `jaxsim --help` fast

    study = getattr(load_script(script), "study", None)
    if not isinstance(study, Study):
        raise InputError(f"{script} defines no `study`; assign a jaxsim.Study to that name at its top level.")
    return study
