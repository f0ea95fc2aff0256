"""What the command line says where the system refuses something: one line, and a status, never a traceback of ours."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxsim.cli.main import main
from jaxsim.report import page

RESULTS = str(Path(__file__).parent / "reference" / "results_0_3_0")


def said(capsys, status, *arguments):
    """What was said on the one line of an attempt that failed."""
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("jaxsim: ")
    assert len(error.strip().splitlines()) == 1
    return error


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A folder with paths of every wrong kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "latin.py").write_bytes(b'name = "gr\xf6\xdfe"\n')
    (tmp_path / "null.py").write_bytes(b"name = 1\0\n")
    (tmp_path / "wrong.py").write_text("x = 1\nif x\n    pass\n")
    (tmp_path / "raises.py").write_text("def load():\n    return open('no_such_data.csv')\n\nload()\n")
    return tmp_path


LONG = "x" * 300
PATHS = [
    (["summary", "file"], "file"),
    (["summary", "loop"], "loop"),
    (["summary", LONG], "too long|holds no jaxsim results"),
    (["summary", "file/inside"], "file"),
    (["report", RESULTS, "--out", "file"], "file is a file"),
    (["report", RESULTS, "--out", "file/inside"], "file"),
    (["report", RESULTS, "--out", "loop"], "loop"),
    (["report", RESULTS, "--out", LONG], "too long"),
    (["summary", RESULTS, "--csv", "folder.py"], "it is a folder, not a file|folder.py"),
    (["summary", RESULTS, "--csv", "loop"], "circle|loop"),
    (["summary", RESULTS, "--csv", LONG], "too long"),
    (["summary", RESULTS, "--csv", "file/inside.csv"], "no folder"),
    (["run", "folder.py"], "is not a file"),
    (["run", "loop"], "is not a file"),
    (["run", LONG], "too long|is not a file"),
    (["run", "latin.py"], "UTF-8"),
    (["run", "null.py"], "null.py is no Python"),
    (["run", "wrong.py"], "wrong.py is no Python that can be read, line 2"),
]


@pytest.mark.parametrize(("arguments", "words"), PATHS)
def test_paths_that_cannot_be(odd, capsys, arguments, words):
    error = said(capsys, 2, *arguments)
    assert any(word in error for word in words.split("|")), error
    assert (odd / "file").read_text() == "mine"


def test_a_script_that_raises_is_told_apart_from_us(odd, capsys):
    assert main(["run", "raises.py"]) == 2
    error = capsys.readouterr().err
    assert "no_such_data.csv" in error
    assert "in load" in error
    assert error.strip().splitlines()[-1].startswith("jaxsim: raises.py itself raised FileNotFoundError")
    assert "site-packages" not in error
    assert "jaxsim/cli" not in error, "the traceback begins in the script"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing(odd, capsys, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number), "there")

    monkeypatch.setattr(page, "save_figures", lambda *_: [])
    monkeypatch.setattr(page, "render", lambda *_: "")
    (odd / "there").mkdir()
    monkeypatch.setattr("os.replace", refused)
    assert "there/index.html cannot be written: the" in said(capsys, 2, "report", RESULTS, "--out", "there")
    monkeypatch.undo()
    monkeypatch.chdir(odd)
    monkeypatch.setattr("pandas.DataFrame.to_csv", refused)
    assert "there" in said(capsys, 2, "summary", RESULTS, "--csv", "there.csv")


def ended(**streams):
    """The status of a command that prints a table and what it said, with such a standard output."""
    code = "import sys; from jaxsim.cli.told import told; sys.exit(told('jaxsim', lambda: print('bias')))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=100, check=False, **streams)
    return done.returncode, done.stderr


def test_a_pipe_that_nobody_reads_ends_quietly():
    """As ``| head -1`` leaves it; 141 is what a shell says of a program that SIGPIPE ended."""
    read, write = os.pipe()
    os.close(read)
    try:
        assert ended(stdout=write) == (141, "")
    finally:
        os.close(write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_under_the_output():
    with open("/dev/full", "w") as full:
        status, error = ended(stdout=full)
    assert status == 2
    assert error.strip().splitlines() == [error.strip()]
    assert "the disk is full" in error


def test_words_that_a_terminal_cannot_show():
    """A folder whose name is no text, and a terminal that knows ASCII only."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = "from jaxsim.cli.told import told; told('jaxsim', lambda: print('\\u00b1 \\udcff'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=100, check=True)
    assert done.stdout.strip() == rb"\xb1 \udcff"
