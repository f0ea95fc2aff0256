"""Random attacks on what people give: studies, grids, saved studies, formulas, options of fits and of the command line.

The rule: an ``InputError`` or success, never another exception, and no call of more than ten seconds. ``make fuzz`` attacks for an
hour, the tests for some seconds.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from odd_things import TEXTS, TOKENS, anything, changed, some

import jaxsim
from jaxsim.cli.main import main
from jaxsim.formula.parse import parse
from jaxsim.frames import mixed_model, regression
from jaxsim.sweep.plan import plan

# A call that takes longer hangs: seconds of work, and how many times as long it may wait for cores that others use.
SECONDS, BESIDE_OTHERS = 10, 6
RESULTS = Path(__file__).parent / "reference" / "results_0_3_0"
SCRIPT = """
from jaxsim import *
study = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 6]), (PooledOLS(), TwoStage()), replicates=3)
"""


class Broken(AssertionError):
    """The rule was broken; the message says how to see it again."""


def process(rng: random.Random) -> Any:
    good = {
        "n_groups": 5, "n_obs": 4, "group_sd": 0.5, "n_predictors": 1, "fixed_effects": (0.0, 0.5), "correlation": 0.1,
        "residual_sd": 1.0,
        "sampler": "rows", "n_between": 0,
    }  # fmt: skip
    return jaxsim.GaussianMultilevel(**some(rng, good))


STRATEGIES: dict[str, dict[str, Any]] = {
    "PooledOLS": {"label": "a", "formula": "DV ~ IV1", "estimand": {"IV1": "IV1"}},
    "ClusterRobust": {"vcov": "CR2", "df": "G-1", "inference": "t", "weights": "webb", "draws": 99, "label": "b"},
    "TwoStage": {"inference": "t", "weights": "equal", "draws": 99, "label": "c", "mean": "huber", "trim": 0.1, "cluster": "Group"},
    "Aggregated": {"cluster": "Group", "label": "q", "formula": "DV ~ IV1"},
    "MinF": {"by": ("Group", "Item"), "label": "r"},
    "F1F2": {"by": ("Group", "Item"), "label": "s"},
    "MultiwayCluster": {"vcov": "CR2", "groups": "min", "df": "normal", "cluster": ("Group", "Item"), "label": "p"},
    "GEE": {"working": "exchangeable", "correction": "mancl-derouen", "df": "G-1", "label": "j", "formula": "DV ~ IV1"},
    "AutoregressiveMixed": {"formula": None, "random": ("Intercept",), "time": "IV1", "df": "normal", "label": "m"},
    "HeteroscedasticMixed": {"variance": ("IV1",), "random": ("Intercept",), "covariance": "diagonal", "label": "n"},
    "WithinRegression": {"vcov": "CR2", "df": "G-1", "label": "k", "formula": "DV ~ IV1"},
    "BetweenWithin": {"means": ("IV1",), "between": "between", "random": ("Intercept",), "reml": False, "label": "l"},
    "LinearMixed": {
        "formula": None, "random": ("Intercept",), "covariance": "diagonal", "reml": True, "df": "satterthwaite", "label": "d",
        "vcov": "CR2",
    },
    "HierarchicalBayes": {"formula": None, "random": ("Intercept",), "priors": "weak", "method": "fast", "label": "e"},
    "SelectedMixed": {"candidates": None, "rule": "aic", "alpha": 0.1, "label": "s"},
    "RobustBayes": {"random": ("Intercept",), "priors": "weak", "interval": "hpd", "label": "o"},
    "Lme4": {"formula": "DV ~ IV1 + (1 | Group)", "df": "satterthwaite", "first": 3, "label": "f", "reml": True},
    "RStrategy": {"script": "function(data) 1", "time_limit": 5.0, "terms": ("IV1",), "label": "g", "first": 2},
    "FrameStrategy": {"function": len, "label": "h", "first": 2, "terms": ("IV1",), "time_limit": 5.0, "options": {}},
    "FunctionEstimator": {"function": len, "label": "i", "terms": ("IV1",)},
    "OwnMeasure": {"name": "mine", "function": abs, "influence": None},
    "Prior": {"family": "Normal", "parameters": (("loc", 0.0),), "autoscale": True}, "Until": {"power": 0.1, "minimum": 5},
    "Uniform": {"low": 0.0, "high": 1.0}, "Normal": {"mean": 0.0, "sd": 1.0}, "UniformSizes": {"low": 1, "high": 5},
    "PoissonSizes": {"mean": 4.0, "minimum": 2},
}  # fmt: skip


def part(rng: random.Random, names: list[str]) -> Any:
    name = rng.choice(names)
    kind = getattr(jaxsim, name)
    known = inspect.signature(kind).parameters
    open_ = any(p.kind is p.VAR_KEYWORD for p in known.values())
    options = {k: v for k, v in some(rng, STRATEGIES[name]).items() if open_ or k in known}
    for k, p in known.items():
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD and k not in options:
            options[k] = STRATEGIES[name].get(k, anything(rng))
    return kind(**options)


def attack_parts(rng: random.Random) -> None:
    part(rng, list(STRATEGIES))


def grid(rng: random.Random) -> Any:
    factors = {rng.choice(["n_groups", "n_obs", "group_sd", "icc", *TEXTS]): anything(rng) for _ in range(rng.randrange(3))}
    if rng.random() < 0.5:
        factors = {"n_groups": [4, 5], "group_sd": [0.1, 0.3]}
    if rng.random() < 0.2:
        return jaxsim.Grid(anything(rng))
    made = jaxsim.Grid(**factors)
    if rng.random() < 0.3:
        given = {"residual_sd": 0.5} if rng.random() < 0.5 else anything(rng)
        return made.linked(lambda **_: given)
    return made


def study(rng: random.Random) -> Any:
    ours = [
        "PooledOLS", "ClusterRobust", "TwoStage", "Aggregated", "GEE", "WithinRegression", "BetweenWithin", "AutoregressiveMixed",
        "HeteroscedasticMixed", "LinearMixed", "HierarchicalBayes", "RobustBayes",
    ]  # fmt: skip
    strategies = tuple(part(rng, ours) for _ in range(rng.randrange(1, 3))) if rng.random() < 0.3 else (jaxsim.PooledOLS(),)
    options = some(
        rng,
        {
            "process": process(rng) if rng.random() < 0.3 else jaxsim.GaussianMultilevel(n_predictors=1), "replicates": 10,
            "seed": 1,
            "grid": grid(rng) if rng.random() < 0.3 else jaxsim.Grid(), "estimators": strategies, "conf_level": 0.9,
            "dtype": "float64", "until": jaxsim.Until(bias=1.0, minimum=5), "group_coefficients": False, "scores": (),
            "measures": (),
        },
        0.12,
    )  # fmt: skip
    for name, value in {"process": jaxsim.GaussianMultilevel(), "grid": jaxsim.Grid(), "estimators": (jaxsim.PooledOLS(),)}.items():
        options.setdefault(name, value)
    return jaxsim.Study(**{"replicates": 3, **options})


def attack_studies(rng: random.Random) -> None:
    made = study(rng)
    if len(made.cells) > 2000:
        return
    again = jaxsim.Study.from_json(made.to_json())
    assert jaxsim.Study.from_json(again.to_json()) == again
    chunks = plan(made, limit=rng.choice([1, 100, 4096]))
    assert len(chunks) > 0
    next(iter(chunks)).identity(made)
    assert made._repr_html_().endswith("</div>")
    made.find(anything(rng))


def attack_grids(rng: random.Random) -> None:
    made = grid(rng)
    len(made)
    repr(made)


SAVED = [
    (RESULTS / "study.json").read_text(),
    jaxsim.Study(
        jaxsim.GaussianMultilevel(n_predictors=1), jaxsim.Grid(n_groups=[4,
        5]).linked(lambda n_groups: {"group_sd": 0.1 * n_groups}),
        (jaxsim.PooledOLS(), jaxsim.LinearMixed(), jaxsim.HierarchicalBayes()), 10, until=jaxsim.Until(bias=1.0, minimum=5),
        group_coefficients=True,
    ).to_json(),
]  # fmt: skip


def attack_saved(rng: random.Random) -> None:
    text = rng.choice(SAVED)
    if rng.random() < 0.3:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", '"', "}", "[", "9", "\\", "\0", "e", "-", ","]) + text[at + rng.randrange(3) :]
    else:
        body = json.loads(text)
        for _ in range(rng.randrange(1, 4)):
            body = changed(rng, body)
        text = json.dumps(body)
    jaxsim.Study.from_json(text).cell_table()


FRAME = pd.DataFrame(
    {
        "y": [1.0, 2.5, 3.0, 4.5, 4.0, 6.5, 7.0, 8.0], "x": [0.5, 1.0, 2.0, 0.1, 0.7, 3.0, 1.0, 2.5], "g": list("aabbccdd"),
        "f": pd.Categorical(list("uvuvuvuv")), "b": [True, False] * 4, "t": [(1, 2), (1, 2), (3,), (3,), "x", None, 5, 5],
    }
)  # fmt: skip


def formula(rng: random.Random) -> str:
    if rng.random() < 0.2:
        inner = " + ".join(rng.choice("xgfb") + str(k) for k in range(rng.randrange(1, 40)))
        return f"y ~ ({inner})^{rng.choice([1, 2, 3, 20, 99, 10**9])}"
    if rng.random() < 0.1:
        depth = rng.randrange(3000)
        return f"y ~ {'(' * depth}x{')' * depth}"
    if rng.random() < 0.1:
        return f"y ~ I({rng.choice(['-', 'x + ', 'x ^ ', '(']) * rng.randrange(900)}x)"
    soup = " ".join(rng.choice(TOKENS) for _ in range(rng.randrange(1, 12)))
    return rng.choice(["y ~ ", "y ~ x + ", "", "log(y) ~ "]) + soup


def attack_formulas(rng: random.Random) -> None:
    text = formula(rng) if rng.random() < 0.95 else anything(rng)
    parsed = parse(text)
    if parsed.random:
        mixed_model.check(mixed_model.prepare(text, FRAME))
    else:
        regression.prepare(text, FRAME, rng.choice([None, "g", "t", "b"]), 0.95, "cluster")


FEW = FRAME.iloc[:2]
FITS: dict[str, dict[str, Any]] = {
    "ols": {"conf_level": 0.9},
    "lm": {
        "cluster": "g", "vcov": "CR2", "conf_level": 0.9, "df": "satterthwaite", "inference": "wild", "weights": "webb",
        "draws": 99, "seed": 1,
    },
    "lm2": {"group": "g", "inference": "t", "weights": "equal", "draws": 99, "seed": 1, "conf_level": 0.9},
    "lmer": {"reml": True, "df": "normal", "conf_level": 0.9},
}  # fmt: skip


def attack_fits(rng: random.Random) -> None:
    """Two rows can be fitted by nothing, so that only what is given is looked at."""
    name = rng.choice(list(FITS))
    text = "y ~ x + (1 | g)" if name == "lmer" else "y ~ x"
    data = FEW if rng.random() < 0.9 else anything(rng)
    getattr(jaxsim, name)(text, data, **some(rng, FITS[name]))


TABLES: dict[str, dict[str, Any]] = {
    "measures": {"by": ["model"], "measures": ["bias"], "terms": ["IV1"], "truth": "nonzero", "policy": "listwise", "alpha": 0.1},
    "paired": {"reference": "lmer", "by": ["term"], "policy": "listwise", "alpha": 0.1, "terms": ["IV1"]},
    "compare": {"a": "ols", "b": "lmer", "by": ["n_groups"]},
    "rates": {"by": ["model"]},
    "needed": {"measure": "power", "target": 0.3, "over": "n_groups", "by": ["group_sd"], "terms": ["IV1"], "alpha": 0.1},
}


@functools.cache
def results() -> Any:
    return jaxsim.load(RESULTS)


def attack_tables(rng: random.Random) -> None:
    name = rng.choice(list(TABLES))
    options = some(rng, {**TABLES[name], "where": {"n_groups": rng.choice([6, [6, 9], 7])}})
    for needed in ("reference", "a", "b"):
        if needed in TABLES[name]:
            options.setdefault(needed, "lm2")
    if name == "needed":
        options.setdefault("over", "n_groups")
    getattr(results(), name)(**options)


def attack_figures(rng: random.Random) -> None:
    """Something that a figure may have been told; most of it is of the results."""
    good = {
        "by": rng.choice(["n_groups", ["group_sd"], ["n_groups", "group_sd"]]), "strategies": rng.choice(["lm2", ["lmer", "lm2"]]),
        "terms": rng.choice(["IV1", ["IV1", "Intercept"]]), "title": "A title", "policy": rng.choice(["available", "listwise"]),
    }  # fmt: skip
    name = rng.choice(dir(results().plot))
    assert getattr(results().plot, name)(**some(rng, good))._repr_png_()


COMMANDS: dict[str, list[str]] = {
    "summary": ["--by", "--terms", "--alpha", "--measures", "--csv", "--script"],
    "plan": ["--no-trial", "--replicates", "--seed", "--until", "--minimum", "--dtype", "--memory", "--batch", "--mcse", "--out"],
    "report": ["--script"],
    "run": ["--executor", "--cluster", "--workers", "--threads", "--devices", "--cluster-option", "--batch", "--memory", "--until"],
}
# Words as a shell can give them: no NUL, and bytes that are no text as the surrogates that Python reads them as.
WORDS = [
    *(text for text in TEXTS if "\0" not in text and "\ud800" not in text), "\udcff", "n_groups", "term", "model", "bias",
    "coverage", "coverage:0.01", "1G", "1e400G", "script.py", "folder", "loop", "nowhere", "x" * 300,
]  # fmt: skip


def attack_commands(rng: random.Random) -> None:
    command = rng.choice(list(COMMANDS))
    first = {
        "summary": str(RESULTS),
        "plan": "script.py",
        "report": rng.choice(WORDS),
        "run": rng.choice(["folder", "loop", "nowhere", "x" * 300]),
    }[command]
    arguments = [command, first if rng.random() < 0.8 else rng.choice(WORDS)]
    arguments += ["--no-trial"] if command == "plan" else []
    for option in rng.sample(COMMANDS[command], min(rng.randrange(3), len(COMMANDS[command]))):
        arguments.append(option)
        arguments += (
            []
            if option == "--no-trial"
            else [rng.choice([*WORDS, "3", "0.1", "-1", "9" * 30]) for _ in range(rng.choice([1, 1, 1, 2]))]
        )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):
        assert main(arguments) in (0, 2), arguments
    assert "Traceback" not in err.getvalue(), err.getvalue()


ATTACKS = {
    "parts": attack_parts, "studies": attack_studies, "grids": attack_grids, "saved": attack_saved, "formulas": attack_formulas,
    "fits": attack_fits, "tables": attack_tables, "figures": attack_figures, "commands": attack_commands,
}  # fmt: skip


class _Hang(BaseException):
    pass


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """A call that may take so many seconds of work, in the main thread; and not many times as long beside other work."""
    begun, worked = time.monotonic(), time.process_time()

    def stop(*_: object) -> None:
        if time.process_time() - worked > SECONDS or time.monotonic() - begun > BESIDE_OTHERS * SECONDS:
            raise _Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """In a folder of its own with files of some kinds, everything as it was afterwards."""
    here, paths, flags = os.getcwd(), list(sys.path), os.environ.get("XLA_FLAGS", "")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("script.py").write_text(SCRIPT)
            Path("folder").mkdir()
            Path("loop").symlink_to("loop")
            yield
        finally:
            os.chdir(here)
            sys.path[:], os.environ["XLA_FLAGS"] = paths, flags


def one(seed: object, number: int, only: str | None = None) -> str:
    """One attack, the same for the same seed and number; its kind."""
    rng = random.Random(f"{seed} {number}")
    kind = only or rng.choice(list(ATTACKS))
    try:
        with _limited():
            ATTACKS[kind](rng)
    except jaxsim.InputError as error:
        if not str(error).strip():
            raise Broken(f"{kind}: an InputError that says nothing: one({seed!r}, {number}, {only!r})") from error
    except (Exception, _Hang) as error:
        raise Broken(f"{kind}: {type(error).__name__}: {error}; see one({seed!r}, {number}, {only!r})") from error
    return kind


def attack(seed: object, seconds: float, only: str | None = None) -> int:
    """Attack for so long; raises :class:`Broken` at the first that breaks the rule. Returns how many there were."""
    ends = time.monotonic() + seconds
    with _elsewhere(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        number = 0
        while time.monotonic() <= ends:
            one(seed, number, only)
            number += 1
    return number


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else str(time.time_ns())
    print(f"seed {chosen}", flush=True)
    print(f"{attack(chosen, float(sys.argv[1])):,} attacks, and none broke the rule")
