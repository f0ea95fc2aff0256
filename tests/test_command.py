"""The command ``jaxsim`` ends its process at once, and loses nothing by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Work that goes on after `main`: a thread, a pool with something in its queue, functions for the end, text that is not written yet.
SCRIPT = """
import atexit, gc, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from jaxsim.cli import command


class Slow:
    def __del__(self):
        print("taken apart")


def work():
    time.sleep(0.3)
    print("a thread")


def main():
    threading.Thread(target=work).start()
    pool = ThreadPoolExecutor(1)
    pool.submit(time.sleep, 0.2)
    pool.submit(print, "a pool")
    atexit.register(print, "the end")
    held.append(open(sys.argv[1], "w"))
    held[0].write("a line")
    gc.freeze()
    held.append(open(sys.argv[2], "wb"))
    held[1].write(b"a byte")
    sys.stdout.write("no line")
    sys.stderr.write("of errors")
    return 3


held, kept, command.main = [], Slow(), main
command.command()
"""


def test_threads_and_what_is_registered_are_waited_for_and_nothing_is_taken_apart(tmp_path):
    files = [tmp_path / "text", tmp_path / "bytes"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, files)], capture_output=True, check=False, text=True, timeout=60)
    assert done.returncode == 3
    assert done.stderr == "of errors"
    assert sorted(done.stdout.removeprefix("no line").split("\n")) == ["", "a pool", "a thread", "the end"]
    assert done.stdout.endswith("the end\n")
    assert [file.read_text() for file in files] == ["a line", "a byte"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux's")
def test_what_the_standard_streams_do_not_take_is_an_error():
    code = "from jaxsim.cli import command\ncommand.main = lambda: print('a line', end='') or 0\ncommand.command()"
    with open("/dev/full", "w") as full:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60, env=environment
        )
    assert done.returncode == 120


def test_the_versions_are_looked_up_where_they_are_asked_for():
    code = (
        "import sys, importlib.metadata as found\n"
        "found.version = lambda name: sys.exit('looked up')\n"
        "from jaxsim.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )

    def said(*arguments):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, text=True, timeout=60)
        return done.returncode, done.stderr.strip()

    assert said("--help") == (0, "")
    assert said("--version") == (1, "looked up")
