"""Variance components against their true values: brute force from the fits, strategies without them, singular fits."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures.components import components
from jaxsim.status import LABELS, USABLE_LABELS

NAMES = ("sd_Group_Intercept", "sd_Group_IV1", "cor_Group_Intercept_IV1", "sigma")
ALLOWED = ["bias", "relative_bias", "empirical_se", "mse", "rmse", "median_absolute_error"]
MODELS = ("ols", "ri", "lmer")
KNOWN = {"ols": NAMES[3:], "ri": (NAMES[0], NAMES[3]), "lmer": NAMES}
CELLS = pd.DataFrame({"cell": [0, 1], "size": [10, 30]})
# Sums of some forty numbers of order 1 in another order, then some ten operations.
SAME = dict(rtol=1e-11, atol=1e-11)


@pytest.fixture(scope="module")
def fits():
    """``ols`` knows sigma alone and ``ri`` no slopes; there is no correlation in cell 1, and some fits are singular or failed."""
    rng = np.random.default_rng(2)
    index = pd.MultiIndex.from_product([range(2), range(40), MODELS], names=["cell", "replicate", "model"])
    made = index.to_frame(index=False)
    cell, model, replicate = made["cell"], made["model"], made["replicate"]
    sizes = dict(zip(NAMES, (0.5, 1.0, 0.3, 2.0), strict=True))
    for name, size in sizes.items():
        made[f"true_{name}"] = size + 0.1 * cell
        made[name] = made[f"true_{name}"] + rng.normal(0, 0.1, len(made))
    made["true_sd_Group_Intercept"] = np.repeat(rng.uniform(0.3, 0.7, 80), 3)  # drawn anew for every dataset
    made.loc[cell == 1, "true_cor_Group_Intercept_IV1"] = np.nan
    made.loc[model == "ols", list(NAMES[:3])] = np.nan
    made.loc[model == "ri", list(NAMES[1:3])] = np.nan
    made["status"] = "ok"
    singular = (model == "lmer") & (replicate % 5 == 0)
    made.loc[singular, "status"] = "singular"
    made.loc[singular, "sd_Group_IV1"] = 0.0
    made.loc[singular, "cor_Group_Intercept_IV1"] = np.nan
    failed = ((model == "lmer") & (replicate % 7 == 3)) | ((model == "ri") & (replicate == 9) & (cell == 0))
    made.loc[failed, "status"] = "not_converged"
    made.loc[failed, list(NAMES)] = np.nan
    made["status"] = pd.Categorical(made["status"], LABELS)
    made["model"] = pd.Categorical(made["model"], MODELS)
    return made.assign(converged=~failed, singular=singular)


def source(fits, parts=3, calls=None, **options):
    def frames(table, columns, where=None):
        assert table == "fits"
        if calls is not None:
            calls.append(tuple(columns))
        for _, frame in fits.groupby(fits["replicate"] % parts):
            yield frame[list(columns)]

    return components(frames, CELLS, KNOWN, NAMES, **options)


def has(model, name, cell):
    return name in KNOWN[model] and not (cell == 1 and name.startswith("cor"))


def test_measures_are_those_of_the_fits(fits):
    made = source(fits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = made.measures()
    assert list(dict.fromkeys(got["measure"])) == ALLOWED
    lines = {(str(r["model"]), r["size"], str(r["term"]), r["measure"]): r for r in got.to_dict("records")}
    seen = 0
    for cell, size in ((0, 10), (1, 30)):
        for model in MODELS:
            for name in NAMES:
                if not has(model, name, cell):
                    assert (model, size, name, "bias") not in lines
                    continue
                seen += 1
                rows = fits[(fits["cell"] == cell) & (fits["model"] == model)]
                usable = rows[rows["status"].isin(USABLE_LABELS)].dropna(subset=name)
                error, truth = usable[name] - usable[f"true_{name}"], usable[f"true_{name}"]
                n = len(usable)
                expected = {
                    "bias": (error.mean(), error.std() / np.sqrt(n)),
                    "relative_bias": (error.mean() / truth.mean(), None),
                    "empirical_se": (error.std(), error.std() / np.sqrt(2 * (n - 1))),
                    "mse": ((error**2).mean(), (error**2).std() / np.sqrt(n)),
                    "rmse": (np.sqrt((error**2).mean()), None),
                    "median_absolute_error": (error.abs().median(), None),
                }
                for measure, (value, mcse) in expected.items():
                    line = lines[model, size, name, measure]
                    assert line["value"] == pytest.approx(value, rel=1e-11)  # some ten operations
                    assert mcse is None or line["mcse"] == pytest.approx(mcse, rel=1e-10)
                    assert line["n_used"] == n
                    assert line["n_failed"] == len(rows) - n
    assert len(got) == seen * len(ALLOWED) == 13 * len(ALLOWED)


def test_singular_fits_count(fits):
    got = source(fits).measures(["model", "term"], measures=["bias"], where={"size": 10}).set_index(["model", "term"])
    assert got.loc[("lmer", "sd_Group_IV1"), "n_used"] == 40 - 6, "all but those that failed"
    assert got.loc[("lmer", "cor_Group_Intercept_IV1"), "n_used"] == 40 - 6 - 7, "a correlation with nothing is no number"
    assert got.loc[("lmer", "cor_Group_Intercept_IV1"), "n_failed"] == 13
    assert got.loc[("lmer", "sd_Group_IV1"), "value"] < -0.1, "zeros are far below 1"


@pytest.mark.parametrize("parts", [1, 11])
def test_streamed_components_are_estimates_in_memory(fits, parts):
    """The same numbers as of a long table of estimates, under both policies."""
    nothing = dict.fromkeys(("std_error", "p_value", "conf_low", "conf_high"), np.nan)
    long = pd.concat(
        [
            fits[["cell", "replicate", "model", "status"]].assign(
                term=name,
                estimate=fits[name],
                truth=fits[f"true_{name}"],
                there=[has(m, name, c) for m, c in zip(fits["model"], fits["cell"], strict=True)],
            )
            for name in NAMES
        ]
    ).assign(**nothing)
    long = long[long["there"]]
    long["status"] = np.where(long["estimate"].isna() & long["status"].isin(USABLE_LABELS), "non_finite", long["status"])
    long["term"] = pd.Categorical(long["term"], NAMES)
    made = source(fits, parts)
    for policy in measures.POLICIES:
        for by in ([], ["model"], ["term"], ["cell", "model", "term"]):
            wanted = measures.summarise(long, by, policy=policy, measures=ALLOWED)
            pd.testing.assert_frame_equal(
                made.measures(by, policy=policy), wanted, check_dtype=False, check_categorical=False, **SAME
            )
        wanted = measures.paired(long, ["term"], "ri", policy=policy)
        allowed = ["bias", "absolute_error", "mse", "rmse", "relative_precision"]
        wanted = wanted[wanted["measure"].isin(allowed)].sort_values("model", kind="stable", key=lambda m: m.map(MODELS.index))
        got = made.paired("ri", ["term"], policy=policy)
        # The square roots of differences of nearly equal sums.
        tolerance = dict(rtol=1e-9, atol=1e-9)
        pd.testing.assert_frame_equal(got, wanted.reset_index(drop=True), check_dtype=False, check_categorical=False, **tolerance)


def test_measures_that_need_standard_errors_are_refused(fits):
    for name in ("coverage", "model_se", "power", "type_s"):
        with pytest.raises(InputError, match=f"measure={name!r} is not known; use one of 'bias', 'relative_bias'"):
            source(fits).measures([], measures=[name])


def test_a_strategy_all_of_whose_fits_failed_stays(fits):
    lost = fits.assign(status=fits["status"].where(fits["model"] != "ri", "not_converged"))
    lost.loc[lost["model"] == "ri", list(NAMES)] = np.nan
    calls = []
    got = source(lost, calls=calls).measures(["model", "term"], measures=["bias"])
    failed = got[got["model"] == "ri"]
    assert list(failed["term"]) == [NAMES[0], NAMES[3]]
    assert list(failed["n_failed"]) == [80, 80]
    assert failed["value"].isna().all()
    assert all("true_sigma" in columns for columns in calls), "three looks, and none before them"


def test_lines_and_rates_are_those_of_the_fits(fits):
    made = source(fits, factors=[])
    assert list(made.measures(measures=["bias"]).columns[:2]) == ["model", "term"]
    rates = made.rates(["model"])
    pd.testing.assert_frame_equal(rates, measures.rates(fits, ["model"]), check_dtype=False, check_categorical=False, **SAME)
    assert made.present == NAMES
