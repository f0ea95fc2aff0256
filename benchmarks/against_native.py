"""Speed and answers against native engines of Python: MCPower's power analyses; single fits by four packages.

    python benchmarks/against_native.py     # some 45 minutes on two cores; needs the package index for what is not installed yet

Each package runs in an environment of its own, made at the first run and kept (`--environments FOLDER`); one that cannot be
installed, or has no answer, is a row with its reason. Both sides simulate the same designs, in fresh processes that take turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import native_fits
import numpy as np
import pandas as pd
import table
from native_designs import FEW_GROUPS, METHODS, TIMED, Design, powered, without_effects
from native_peers import ENVIRONMENTS, NotThereError, Peers
from single_fits import LONGEST

SCRIPTS = {"jaxsim": "power_jaxsim.py", "mcpower": "power_mcpower.py"}
OURS, THEIRS = tuple(METHODS), ("between-within", "z")
# The seconds of a further 10,000 datasets come from a run with this many times as many.
LONGER = 5
Answers = dict[str, dict[str, tuple[float, int]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    peers = Peers(options.environments, not options.no_install)
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            title, measure, notes = PARTS[part]
            tables = measure(peers, options, folder)
            table.write(options.out, f"against-native-{part}", title, head, tables, [" ".join(notes.split())])


RUNS = f"""A whole analysis of 10,000 datasets, simulated and fitted: jaxsim by REML with Satterthwaite df, every fit and its
random effects stored on disk, then the rates of rejection; MCPower with between-within df, power alone. CPU seconds are
user + system of all threads of the process. `first`: from the start of the process to the first answer, imports and, for jaxsim,
compiling included; `first, compiled before`: the same where an earlier process left its programs in the cache. `second`: the same
design with another seed in the same process, with everything that a call does again (jaxsim traces its programs and reads them).
`10,000 more`: a run with {LONGER} times as many datasets less the second one, per 10,000. Medians over turns."""
ANSWERS = """Both sides draw standard normal predictors anew for each dataset, normal random effects and errors, residual variance
1, a random-intercept variance of .25, a random-slope variance of .1 (power) or .25 (type I error), uncorrelated; MCPower is told
which predictor is one number a group. Random numbers differ. `z` is the one reference distribution that both have: `apart` is
MCPower's rate by it less jaxsim's (REML), in Monte Carlo standard errors, and says whether both simulate and fit the same;
MCPower's documentation says maximum likelihood, its rates are those of REML, but for singular fits, which it tests with N - P
degrees of freedom. `MC error` is one side's, of that rate. The defaults are between-within (MCPower) and Satterthwaite (jaxsim);
`of the defaults` is the difference of their rates. Power by a test whose type I error is not nominal is no power."""
FITS = f"""REML, one dataset at a time but for jaxsim's batch. Single fits: `process to first fit` includes imports, and jaxsim's
compiling with an empty cache. Further responses to the same design: by what a package has for them (lme-python: prepared
matrices, mixedlm: `refit`; jaxsim: a batch, compiled), otherwise fits from the start; none begins after {LONGEST:g} CPU seconds.
Criteria count as above or below those of jaxsim's batch from {native_fits.APART:g} deviance units. Medians over turns."""


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="turns that each side has, of which the median counts (5)")
    parser.add_argument("--datasets", type=int, default=10_000, help="of a run (10,000)")
    parser.add_argument("--checked", type=int, default=20_000, help="datasets of each answer that is compared (20,000)")
    parser.add_argument("--responses", type=int, default=50, help="further responses that are fitted (50)")
    parser.add_argument("--groups", type=int, nargs="+", default=FEW_GROUPS, help="of the type I errors (5 6 8 10)")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="default: all")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="folder of the packages' environments")
    parser.add_argument("--no-install", action="store_true", help="leave out packages that have no environment yet")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def timed_runs(peers: Peers, options: argparse.Namespace, folder: str) -> pd.DataFrame:
    """A row per design and side: medians over turns."""
    rows: list[dict[str, Any]] = []
    for turn in range(options.turns):
        for i, design in enumerate(TIMED):
            for side in SCRIPTS:
                row: dict[str, Any] = {"design": design.name, "software": side, "turn": turn}
                try:
                    rows.append({**row, **one_turn(peers, side, design, options.datasets, f"{folder}/runs-{turn}-{i}")})
                except NotThereError as reason:
                    rows.append({**row, "not measured": str(reason)})
    frame = pd.DataFrame(rows)
    how = {name: "median" if pd.api.types.is_numeric_dtype(frame[name]) else "first" for name in frame.columns[3:]}
    return frame.groupby(["design", "software"], sort=False).agg(how).reset_index()


def one_turn(peers: Peers, side: str, design: Design, datasets: int, cache: str) -> dict[str, Any]:
    """Seconds of fresh processes: the first call from nothing, the second, and what more datasets cost."""
    method = "REML, Satterthwaite" if side == "jaxsim" else "between-within"
    sizes = (datasets, datasets, LONGER * datasets)
    calls = [{"datasets": size, "seed": i + 1, "methods": [method]} for i, size in enumerate(sizes)]
    task = {"design": design.task(), "calls": calls}
    asked = peers.ask(side, SCRIPTS[side], task, cache)
    _, second, longer = asked["answers"]
    found = {"version": asked["version"], **_first("first", asked)}
    if side == "jaxsim":
        found |= _first("first, compiled before", peers.ask(side, SCRIPTS[side], {**task, "calls": calls[:1]}, cache))
    found |= {"second": second["CPU s"], "second, wall": second["wall s"]}
    cpu, wall = ((longer[name] - second[name]) * 10_000 / ((LONGER - 1) * datasets) for name in ("CPU s", "wall s"))
    return {**found, "10,000 more": cpu, "10,000 more, wall": wall}


def _first(name: str, asked: dict[str, Any]) -> dict[str, float]:
    first = asked["answers"][0]
    return {name: first["since start CPU s"], f"{name}, wall": first["at"] - asked["began"]}


def ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """jaxsim's seconds over MCPower's, CPU; empty where one is not there."""
    rows = []
    for design, both in runs.groupby("design", sort=False):
        ours, theirs = (both[both["software"] == side].iloc[0] for side in SCRIPTS)
        pairs = [("first", "first"), ("first, compiled before", "first"), ("second", "second"), ("10,000 more", "10,000 more")]
        rows.append({"design": design, **{a: ours.get(a, np.nan) / theirs.get(b, np.nan) for a, b in pairs}})
    return pd.DataFrame(rows)


def _answers(peers: Peers, side: str, design: Design, options: argparse.Namespace, folder: str) -> Answers | str:
    """Rates of rejection by method and predictor, or why there are none."""
    methods = OURS if side == "jaxsim" else THEIRS
    calls = [{"datasets": options.checked, "seed": 11, "methods": methods}]
    try:
        asked = peers.ask(side, SCRIPTS[side], {"design": design.task(), "calls": calls}, f"{folder}/answers")
    except NotThereError as reason:
        return str(reason)
    return dict(asked["answers"][0]["rates"])


def _sides(design: Design, term: str, ours: Answers | str, theirs: Answers | str) -> dict[str, Any]:
    """Rates of one predictor by every method of either side, their Monte Carlo errors, and how far both are apart."""
    columns: dict[str, Any] = {"design": design.name}
    for side, found, methods in (("MCPower", theirs, THEIRS), ("jaxsim", ours, OURS)):
        if isinstance(found, str):
            columns["not measured"] = f"{side}: {found}"
        else:
            columns |= {f"{side} {method}": found[method][term][0] for method in methods}
    if isinstance(ours, str) or isinstance(theirs, str):
        return columns
    (a, n), (b, m) = theirs["z"][term], ours["REML, z"][term]
    spread = (a * (1 - a) / n + b * (1 - b) / m) ** 0.5
    columns |= {"MC error": (b * (1 - b) / m) ** 0.5, "apart": (a - b) / spread}
    return columns


def power(peers: Peers, options: argparse.Namespace, folder: str) -> pd.DataFrame:
    """A row per design of the timed runs, and of six groups, and predictor that has an effect or not."""
    rows = []
    for design in (powered(6, 10), powered(6, 10, slope=True), *TIMED):
        ours, theirs = (_answers(peers, side, design, options, folder) for side in ("jaxsim", "mcpower"))
        for i, effect in enumerate(design.effects):
            row = _sides(design, f"x{i + 1}", ours, theirs)
            row = {"design": row.pop("design"), "predictor": f"x{i + 1}", "effect": effect, **row}
            if "apart" in row:
                row["of the defaults"] = row["MCPower between-within"] - row["jaxsim REML, Satterthwaite"]
            rows.append(row)
    return pd.DataFrame(rows)


def type_one_errors(peers: Peers, options: argparse.Namespace, folder: str) -> pd.DataFrame:
    """A row per number of groups, model and kind of predictor; ten rows a group."""
    kinds = ("varies within groups", "one number a group")
    rows = []
    for slope in (True, False):
        designs = [without_effects(groups, 10, slope) for groups in options.groups]
        asked = [[_answers(peers, side, d, options, folder) for side in ("jaxsim", "mcpower")] for d in designs]
        for i, kind in enumerate(kinds):
            for design, (ours, theirs) in zip(designs, asked, strict=True):
                row = _sides(design, f"x{i + 1}", ours, theirs)
                rows.append({"design": row.pop("design"), "predictor": kind, **row})
    return pd.DataFrame(rows)


def runs(peers: Peers, options: argparse.Namespace, folder: str) -> dict[str, pd.DataFrame]:
    """What whole runs take."""
    found = timed_runs(peers, options, folder)
    return {"CPU seconds, and seconds on the clock": found, "jaxsim's CPU seconds over MCPower's": ratios(found)}


def answers(peers: Peers, options: argparse.Namespace, folder: str) -> dict[str, pd.DataFrame]:
    """What both sides say."""
    errors = type_one_errors(peers, options, folder)
    return {"Type I error at few groups (nominal .05)": errors, "Power": power(peers, options, folder)}


def fits(peers: Peers, options: argparse.Namespace, folder: str) -> dict[str, pd.DataFrame]:
    """Single fits and refits."""
    single, more = native_fits.measure(peers, options.responses, options.turns, f"{folder}/fits")
    return {"Single fits": single, "Fits of further responses, CPU milliseconds each": more}


# Title, what measures it, and what is to be known of it.
PARTS = {
    "runs": ("Whole runs beside a native engine", runs, RUNS),
    "answers": ("Power and type I error beside a native engine", answers, ANSWERS),
    "fits": ("Single fits beside other packages of Python", fits, FITS),
}

if __name__ == "__main__":
    main()
