"""What a person sees of a run, and what is left of it in the log."""

from __future__ import annotations

import io
import types

import nbformat
import pytest
from nbclient import NotebookClient

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, TwoStage
from jaxsim.store.place import LocalPlace
from jaxsim.sweep import notebook
from jaxsim.sweep import progress as module
from jaxsim.sweep.progress import Log, Progress, counting, duration
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


class Display:
    """IPython's ``display``, as far as a bar needs it: what each output shows, and how often anything was sent."""

    def __init__(self):
        self.outputs, self.sent = [], 0

    def __call__(self, state, display_id):
        assert display_id is True
        self.outputs.append(state)
        self.sent += 1
        return types.SimpleNamespace(update=self.update)

    def update(self, state):
        self.outputs[-1] = state
        self.sent += 1


@pytest.fixture
def display(monkeypatch):
    found = Display()
    monkeypatch.setattr(notebook, "output", lambda: notebook.Output(found))
    return found


class TestInANotebook:
    def test_there_is_one_output_that_is_replaced(self, display, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(notebook, "EVERY", 0.0)
        bar = shown(None, tmp_path)
        (state,) = display.outputs
        assert '<progress value="500" max="1000"' in state._repr_html_()
        assert repr(state).startswith("500 of 1,000 fits (50%), ")
        assert repr(state).endswith("fitting lmer")
        bar(Step(500, 0, "fitting <b>"))
        assert "fitting &lt;b&gt;" in display.outputs[0]._repr_html_()
        bar.close()
        (state,) = display.outputs
        assert repr(state).startswith("1,000 of 1,000 fits (100%), ")
        assert "fitting" not in repr(state)
        assert "".join(capsys.readouterr()) == ""

    def test_states_come_as_often_as_they_can_be_read(self, display, tmp_path):
        bar = Progress(1000, 0, Log(LocalPlace(tmp_path)))
        for _ in range(1000):
            bar(Step(1, 0, "fitting"))
        bar.close()
        assert 2 <= display.sent < 10, "the first, the last, and one every half second between them"

    def test_what_must_be_said_is_said_beside_it(self, display, tmp_path, capsys):
        bar = shown(None, tmp_path)
        bar.say("a worker is gone")
        assert capsys.readouterr().err == "a worker is gone\n"

    def test_silence_and_a_stream_of_ones_own(self, display, tmp_path):
        shown(None, tmp_path, shown=False).close()
        shown(io.StringIO(), tmp_path).close()
        with counting(3, "lme4", shown=False) as more:
            more(3)
        assert not display.outputs

    def test_other_work_has_one_too(self, display):
        with counting(3, "lme4") as more:
            more(1)
            more(2)
        (state,) = display.outputs
        assert repr(state) == "lme4: 3 of 3 fits"

    def test_nowhere_else(self):
        assert notebook.output() is None


CELLS = (
    "import sys\nfrom jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, TwoStage\n"
    "study = Study(GaussianMultilevel(n_obs=3, n_predictors=1), Grid(n_groups=[4, 6]), (PooledOLS(), TwoStage()), 40)\nstudy",
    "results = study.run('run', batch=10)",
    "results",
    "results.plot.coverage(by='n_groups')",
    "print([name for name in ('ipywidgets', 'matplotlib.pyplot') if name in sys.modules])",
)


def test_an_executed_notebook_keeps_one_line_of_a_run(tmp_path):
    """In a kernel of Jupyter, with tables and figures, and without widgets or any setting."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    # A minute is several times what starting the kernel and compiling take.
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    study, run, results, figure, loaded = (cell.outputs for cell in book.cells)
    assert "2 cells x 40 datasets" in study[0].data["text/html"]
    assert [output.output_type for output in run] == ["display_data"]
    assert run[0].data["text/plain"].startswith("160 of 160 fits (100%), ")
    assert '<progress value="160" max="160"' in run[0].data["text/html"]
    assert "80 of 80 datasets" in results[0].data["text/html"]
    assert set(figure[0].data) == {"image/png", "text/plain"}
    assert len(figure) == 1
    assert loaded[0].text.strip() == "[]"
