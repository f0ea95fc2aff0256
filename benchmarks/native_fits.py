"""Single fits and refits by jaxsim and by other packages of Python: the same rows, the same responses, the criteria they reach."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import refits
from native_peers import NotThereError, Peers
from stopwatch import run_seconds, timed_compile
from tiles import in_threads

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.padding import padded_groups
from jaxsim.estimators import LinearMixed
from jaxsim.sweep.shape import tile_datasets

ROWS = Path(__file__).parents[1] / "tests" / "reference" / "data" / "sleepstudy.csv"
PACKAGES = ("jaxsim", "lme-python", "mixedlm", "interlace", "statsmodels")
# Optimisers stop at about 1e-6; a criterion this much higher is another answer.
APART = 1e-3


@dataclass(frozen=True)
class Model:
    """A design of equal groups, sorted by them, with its first response and others; ``random`` names predictors."""

    name: str
    rows: pd.DataFrame
    response: str
    group: str
    predictors: tuple[str, ...]
    random: tuple[str, ...]
    responses: np.ndarray

    def task(self, package: str, again: int) -> dict[str, Any]:
        """As single_fits.py wants it."""
        fixed, random = " + ".join(self.predictors), " + ".join(("1", *self.random))
        task = {
            "package": package,
            "again": again,
            "group": self.group,
            "response": self.response,
            "fixed": fixed,
            "random": random,
        }
        formula = f"{self.response} ~ {fixed} + ({random} | {self.group})"
        return {**task, "formula": formula, "columns": self.rows.to_dict("list"), "responses": self.responses.tolist()}

    def batch(self, copies: int) -> CrossProducts:
        """Cross-products of the responses, filled up to a full tile of a study by repeating them."""
        groups = self.rows[self.group].nunique()
        x = np.column_stack([np.ones(len(self.rows)), self.rows[list(self.predictors)]])
        y = np.tile(self.responses, (copies, 1))[..., None]
        columns = np.concatenate([np.broadcast_to(x, (*y.shape[:2], x.shape[1])), y], -1)
        columns = columns.reshape(len(y), groups, -1, columns.shape[-1])
        products = np.einsum("bgni,bgnj->bgij", columns, columns)
        sizes = np.full(products.shape[:2], columns.shape[2], np.int32)
        fill = ((0, 0), (0, padded_groups(groups) - groups))
        names = ("Intercept", *self.predictors)
        return CrossProducts(np.pad(products, (*fill, (0, 0), (0, 0))), np.pad(sizes, fill), names, names)


def models(responses: int, seed: int = 1) -> list[Model]:
    """Sleepstudy with a random intercept and with a random slope, and the 2019 study's maximal model with four coefficients."""
    sleep = pd.read_csv(ROWS).assign(Subject=lambda frame: "S" + frame["Subject"].astype(str))
    y = refits.responses(responses, seed).reshape(responses, -1)
    rng, groups, obs = np.random.default_rng(seed), 30, 25
    x = rng.normal(size=(groups * obs, 3))
    design, index = np.column_stack([np.ones(len(x)), x]), np.repeat(np.arange(groups), obs)
    coefficients = 0.5 + rng.normal(0.0, 0.25, (responses + 1, groups, 4))
    made = (design * coefficients[:, index]).sum(-1) + rng.normal(size=(responses + 1, len(x)))
    names = ("x1", "x2", "x3")
    rows = pd.DataFrame(x, columns=list(names)).assign(y=made[0], g=[f"g{i}" for i in index])
    return [
        Model("sleepstudy (1 | Subject)", sleep, "Reaction", "Subject", ("Days",), (), y),
        Model("sleepstudy (Days | Subject)", sleep, "Reaction", "Subject", ("Days",), ("Days",), y),
        Model("4 coefficients, 30 x 25, SD .25", rows, "y", "g", names, names, made[1:]),
    ]


def measure(peers: Peers, responses: int, turns: int, cache: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Single fits, and fits of further responses: a row per model and package, or its reason."""
    single, more = list[dict[str, Any]](), list[dict[str, Any]]()
    for model in models(responses):
        batch, best = batched(model, turns)
        more.append(batch)
        asked: dict[str, list[dict[str, Any]]] = {package: [] for package in PACKAGES}
        reasons = dict[str, str]()
        for turn, package in itertools.product(range(turns), PACKAGES):
            try:
                asked[package].append(peers.ask(package, "single_fits.py", model.task(package, 5), f"{cache}-{turn}"))
            except NotThereError as reason:
                reasons[package] = str(reason)
        for package, found in asked.items():
            row = {"model": model.name, "software": f"{package} {found[0]['version'] if found else ''}".rstrip()}
            single.append({**row, **(single_fit(found, asked["jaxsim"]) if found else {"not measured": reasons[package]})})
            more.append({**row, **(refitted(found, best) if found else {"not measured": reasons[package]})})
    return pd.DataFrame(single), pd.DataFrame(more)


def batched(model: Model, runs: int) -> tuple[dict[str, Any], np.ndarray]:
    """The row of a full tile fitted at once on one thread, by CPU seconds a fit; and the criteria of the responses."""
    size = tile_datasets(padded_groups(model.rows[model.group].nunique()), len(model.predictors) + 2)
    data = model.batch(-(-size // len(model.responses)))
    data = CrossProducts(data.products[:size], data.sizes[:size], data.columns, data.fixed) if len(data.sizes) > size else data
    program, _ = timed_compile(LinearMixed(random=("Intercept", *model.random)).fit_batch, data)
    taken = run_seconds(partial(in_threads, program, [data], 1), max(runs, 3))
    best = np.asarray(program(data).criterion)[: len(model.responses)]
    row = {"model": model.name, "software": f"jaxsim, {len(data.sizes):,} at once", "ms": 1e3 * taken.cpu / len(data.sizes)}
    return {**row, "df": "Satterthwaite", "fits": len(best)}, best


def single_fit(asked: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the processes, and how the criterion stands to ours."""
    since, first, again = (statistics.median(one[name] for one in asked) for name in ("since start", "first", "again"))
    found = {"process to first fit, CPU s": since, "first fit, CPU ms": 1e3 * first, "again, CPU ms": 1e3 * again}
    above = asked[0]["criterion"] - ours[0]["criterion"] if ours else np.nan
    return {**found, "criterion": f"{asked[0]['criterion']:.6f}", "above jaxsim's": above}


def refitted(asked: list[dict[str, Any]], best: np.ndarray) -> dict[str, Any]:
    """CPU milliseconds a response, the median of the processes' medians, and how the criteria stand to jaxsim's batch."""
    criteria = np.array(max((one["criteria"] for one in asked), key=len), float)
    gap = criteria - best[: len(criteria)]
    found = {"ms": 1e3 * statistics.median(statistics.median(one["refits"]) for one in asked), "fits": len(gap)}
    found |= {"above jaxsim's": int((gap > APART).sum()), "by at most": np.nanmax(gap, initial=0.0)}
    return {**found, "below": int((gap < -APART).sum()), "no answer": int(np.isnan(gap).sum())}
