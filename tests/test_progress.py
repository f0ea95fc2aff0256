"""What a person sees of a run, and what is left of it in the log."""

from __future__ import annotations

import io

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, TwoStage
from jaxsim.store.place import LocalPlace
from jaxsim.sweep import progress as module
from jaxsim.sweep.progress import Log, Progress, duration
from jaxsim.sweep.worker import Step

STUDY = Study(GaussianMultilevel(n_obs=2, n_predictors=2), Grid(n_groups=[4, 6]), (PooledOLS(), TwoStage()), 5, seed=3)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream, tmp_path, **options):
    bar = Progress(1000, 200, Log(LocalPlace(tmp_path)), stream=stream, **options)
    bar(Step(0, 0, "compiling lmer"))
    bar(Step(300, 7, "fitting lmer"))
    return bar


def test_a_bar_on_a_terminal(tmp_path):
    stream = Terminal()
    shown(stream, tmp_path).close()
    text = stream.getvalue()
    assert "fitting lmer" in text
    assert "500/1.00k" in text
    assert "7 failed, " in text
    assert "fit/s" in text


def test_plain_lines_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    stream = io.StringIO()
    bar = shown(stream, tmp_path)
    first, *rest = stream.getvalue().splitlines()
    assert first.startswith("500 of 1,000 fits (50%), ")
    assert " left, 7 failed, " in first
    assert not rest, "no line for news without a fit"
    bar.grow(500)
    bar.close()
    assert stream.getvalue().splitlines()[-1].startswith("500 of 1,500 fits (33%)")
    assert "\r" not in stream.getvalue()


def test_silence(tmp_path):
    stream = Terminal()
    bar = shown(stream, tmp_path, shown=False)
    bar.say("for the log")
    bar.close()
    assert stream.getvalue() == ""
    assert "for the log" in (tmp_path / "log.txt").read_text()


def test_the_log_has_a_line_for_every_chunk(tmp_path, capsys):
    STUDY.run(tmp_path / "out", batch=4)
    lines = (tmp_path / "out" / "log.txt").read_text().splitlines()
    assert "2 cells x 5 datasets; local, " in lines[0]
    assert [f"chunk {k} of 3: " in line for k, line in enumerate(lines[1:-1], start=1)] == [True] * 3
    assert sum(int(line.split(" fits failed")[0].split()[-1]) for line in lines[1:-1]) == 10  # two rows for three coefficients
    assert "ended: 20 of 20 fits (100%)" in lines[-1]
    assert "10 failed" in lines[-1]
    assert "(100%)" in capsys.readouterr().err


def test_spans_of_time():
    assert [duration(seconds) for seconds in (3.4, 89, 200, 6000, 90000)] == ["3 s", "89 s", "3 min", "1.7 h", "25.0 h"]
