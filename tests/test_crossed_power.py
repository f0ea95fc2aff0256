"""Closed forms of experiments with subjects and items, by simulation and maximal models.

Judd, Westfall & Kenny (2012, *Journal of Personality and Social Psychology* 103, 54-69) and Westfall, Kenny & Judd (2014,
*Journal of Experimental Psychology: General* 143, 2020-2045): with a condition coded -.5 and .5, p participants and q stimuli, the
variance of the estimated effect is

    within both, every pair in both conditions:  s2_PC / p + s2_SC / q + 2 s2_E / (p q)
    counterbalanced, every pair in one of them:  s2_PC / p + s2_SC / q + 4 s2_E / (p q) [+ the pairs' own part, none here]
    between stimuli, every pair once:            s2_PC / p + 4 s2_S / q + 4 s2_E / (p q)

with s2_PC, s2_SC the variances of participants' and stimuli's own effects, s2_S that of stimuli's means. Its power is that of a
noncentral t with Satterthwaite's df of the mean squares that estimate it.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxsim import Design, Grid, LinearMixed, Study, between, counterbalanced, within

P, Q, EFFECT, DATASETS = 20, 16, 0.6, 3000
SUBJECT, SLOPE, ITEM, ITEM_SLOPE, ERROR = 1.0, 0.7, 0.8, 0.5, 1.0
LEVELS = (-0.5, 0.5)

# Of each design the condition, the effects of items, and the factor of the errors.
DESIGNS = {
    "within both": (within(*LEVELS), ("Intercept", "cond"), 2),
    "counterbalanced": (counterbalanced(LEVELS, over=("subject", "item")), ("Intercept", "cond"), 4),
    "between items": (between("item", LEVELS), ("Intercept",), 4),
}


def study_of(name: str, effect: float) -> Study:
    cond, item_effects, _ = DESIGNS[name]
    sds = {"Intercept": ITEM, "cond": ITEM_SLOPE}
    item = {effect: sds[effect] for effect in item_effects}
    random = "(cond | item)" if "cond" in item_effects else "(1 | item)"
    formula = f"y ~ cond + (cond | subject) + {random}"
    design = Design(
        formula,
        units={"subject": P, "item": Q},
        variables={"cond": cond},
        effects={"cond": effect},
        sd={"subject": {"Intercept": SUBJECT, "cond": SLOPE}, "item": item},
        residual_sd=ERROR,
    )
    return Study(design, Grid(), (LinearMixed(formula),), DATASETS, seed=7)


def variance(name: str) -> float:
    errors = DESIGNS[name][2] * ERROR**2 / (P * Q)
    stimuli = 4 * ITEM**2 / Q if name == "between items" else ITEM_SLOPE**2 / Q
    return SLOPE**2 / P + stimuli + errors


def power_between_items() -> float:
    """By the noncentral t: mean squares of participants by condition, of stimuli in conditions, less that of errors."""
    participants = Q * SLOPE**2 / 2 + ERROR**2  # of the P - 1 differences between conditions, halved
    stimuli = P * ITEM**2 + ERROR**2
    total = participants + stimuli - ERROR**2
    spread = participants**2 / (P - 1) + stimuli**2 / (Q - 2) + ERROR**4 / ((P - 1) * (Q - 2))
    df, shift = total**2 / spread, EFFECT / np.sqrt(variance("between items"))
    reach = stats.t.ppf(0.975, df)
    return float(stats.nct.sf(reach, df, shift) + stats.nct.cdf(-reach, df, shift))


@pytest.mark.parametrize("name", DESIGNS)
def test_the_variance_of_the_effect(name, tmp_path):
    """Estimates vary as the formula says, and standard errors say so: within three Monte Carlo errors."""
    results = study_of(name, EFFECT).run(tmp_path)
    found = results.estimates.query("term == 'cond'")
    estimates, error2 = found["estimate"].to_numpy(), found["std_error"].to_numpy() ** 2
    expected = variance(name)
    assert len(estimates) == DATASETS
    assert np.isfinite(estimates).all()
    assert abs(estimates.mean() - EFFECT) < 3 * np.sqrt(expected / DATASETS)
    assert abs(estimates.var(ddof=1) / expected - 1) < 3 * np.sqrt(2 / (DATASETS - 1))
    # REML does not let variances be negative, so where they are small standard errors are too large by some percent at most.
    within_error = 3 * error2.std(ddof=1) / np.sqrt(DATASETS)
    assert -within_error < error2.mean() - expected < within_error + 0.05 * expected
    if name == "between items":
        rejected = float((found["p_value"] < 0.05).mean())
        power = power_between_items()
        # The formula's df are of known variances, the fits' of estimated ones: a percent at most in what was compared.
        assert abs(rejected - power) < 3 * np.sqrt(power * (1 - power) / DATASETS) + 0.01
