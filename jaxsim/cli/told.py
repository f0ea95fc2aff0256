"""How a command ends: what a user did, asked for or ran into is said in one line, and the exit status tells the kind."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType

from jaxsim.cli.script import ScriptError
from jaxsim.errors import InputError
from jaxsim.store.errors import REASONS

# Exit statuses: a mistake; Ctrl-C; and nobody reads what is printed any more, both as a shell counts a program that a signal ended.
MISTAKE, INTERRUPTED, UNREAD = 2, 130, 141
# What goes wrong with a path, besides what goes wrong with writing.
PATHS = {
    errno.ELOOP: "its symbolic links go round in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.EEXIST: "there is a file where a folder is needed",
    errno.ENOENT: "there is no such file or folder",
    errno.EMFILE: "too many files are open",
    errno.EIO: "the disk reports an error",
}


def told(program: str, action: Callable[[], int | None]) -> int:
    """The exit status of an action, whose mistakes are said."""
    _show_anything()
    try:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: print(f"{program}: {message}", file=sys.stderr)
                return int(action() or 0)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except InputError as error:
        if isinstance(error, ScriptError):
            _show(error)
        return _say(program, str(error))
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; what was finished is kept, and the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _print_no_more()
        return UNREAD
    except OSError as error:
        _print_no_more()
        return _say(program, in_words(error))
    except MemoryError as error:
        return _say(program, f"there is not enough memory ({error or 'none is left'}); ask for less, or smaller datasets.")


def in_words(error: OSError) -> str:
    """What the system said of a file, in a sentence."""
    number = error.errno or 0
    reason = REASONS.get(number) or PATHS.get(number) or str(error.strerror or error)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    what = " and ".join(names) or "a file, or what is printed"
    return f"{what} cannot be used: {reason}. What was finished is kept; give another path, or make room or give access."


def _say(program: str, text: str) -> int:
    print(f"{program}: {text}", file=sys.stderr)
    return MISTAKE


def _show(error: ScriptError) -> None:
    """The traceback of a script's own error, from its first line on."""
    cause = error.__cause__
    assert cause is not None
    frame: TracebackType | None = cause.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != error.script:
        frame = frame.tb_next
    traceback.print_exception(cause.with_traceback(frame or cause.__traceback__))


def _show_anything() -> None:
    """Have characters that the terminal does not know, or that are none, printed as escapes: no table is lost to one."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    """Nothing more can be printed, also when Python ends and prints what is left, if it is printing that failed."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ValueError:  # it is closed
        pass
