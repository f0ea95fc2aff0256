"""The proof that the chain from Python to lme4 and back works: ``python -m jaxsim.r.proof`` fits 18 numbers.

A balanced design with one random intercept has closed forms (one-way analysis of variance): the slope is that of least squares,
its degrees of freedom are N - G - 1, and the residual variance is the mean square within groups.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.r.outcome import Outcome
from jaxsim.r.pool import Pool
from jaxsim.r.request import Request

REACTION = np.array([
    [250.0, 262.0, 275.0], [222.0, 205.0, 230.0], [199.0, 214.0, 222.0],
    [321.0, 300.0, 325.0], [287.0, 305.0, 341.0], [234.0, 243.0, 251.0],
])  # fmt: skip
DAYS = np.array([0.0, 1.0, 2.0])


def fit() -> Outcome:
    """The 18 numbers, through a worker."""
    groups, days = REACTION.shape
    subjects = np.repeat([f"s{i}" for i in range(groups)], days)
    rows = pd.DataFrame({"Reaction": REACTION.ravel(), "Days": np.tile(DAYS, groups), "Subject": subjects})
    with Pool(1, timeout=30.0) as pool:
        return pool.fit(Request("Reaction ~ Days + (1 | Subject)", rows))


def verdict(outcome: Outcome) -> str:
    """What is wrong with the answer, empty if nothing is."""
    if not outcome.status.usable:
        return f"the fit was {outcome.status.label}: {outcome.message}"
    groups, days = REACTION.shape
    centred = DAYS - DAYS.mean()
    slope = (REACTION.mean(0) @ centred) / (centred @ centred)
    df = groups * days - groups - 1
    within = REACTION - REACTION.mean(1, keepdims=True) - slope * centred
    found = np.array([outcome.estimate[1], outcome.df[1], outcome.sigma])
    # lme4's optimiser stops early: sigma and the degrees of freedom are good to about 1e-4.
    right = np.allclose(found, [slope, df, np.sqrt((within**2).sum() / df)], rtol=1e-3)
    return "" if right else f"the answer is wrong: slope, df and sigma are {found.tolist()}"


def main() -> int:
    """Print what was proved; the exit status."""
    try:
        outcome = fit()
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    problem = verdict(outcome)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{outcome.seconds:.1f} s, lme4 {outcome.versions['lme4']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
