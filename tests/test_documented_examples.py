"""The examples that lmerTest, emmeans, pbkrtest, lme4 and nlme document, asked of jaxsim (tests/reference/make_examples.R)."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from examples import STORED, estimates, fitted, joint, least_squares_means, other, removed, rows, single, variances

import jaxsim

KR = "kenward-roger"
PICK = "(1 | recipe:replicate)"

MIXED = {
    ("sleepstudy", "summary"): lambda f, d: f.table,
    ("sleepstudy", "anova"): lambda f, d: f.anova(),
    ("sleepstudy", "anova_kr"): lambda f, d: f.anova(df=KR),
    ("sleepstudy", "contest1D"): lambda f, d: single(f, "Days = 0"),
    ("sleepstudy", "rhs"): lambda f, d: single(f, "Days = 10"),
    ("sleepstudy", "ranova"): lambda f, d: removed(f, other(d, "Reaction ~ Days + (1 | Subject)"), refit=False),
    ("sleepstudy", "anova_refit"): lambda f, d: removed(f, other(d, "Reaction ~ Days + (1 | Subject)"), refit=False),
    ("sleepstudy", "anova_smaller"): lambda f, d: jaxsim.anova(other(d, "Reaction ~ 1 + (Days | Subject)"), f),
    ("sleepstudy", "KRmodcomp"): lambda f, d: f.test("Days = 0", df=KR),
    ("sleepstudy", "SATmodcomp"): lambda f, d: f.test("Days = 0"),
    ("sleepstudy", "vcovAdj"): lambda f, d: {"vcov": other(d, f.formula, df=KR).vcov},
    ("sleepstudy", "confint"): lambda f, d: other(d, f.formula, df="normal").table,
    ("sleepstudy", "ranef"): lambda f, d: {"modes": f.random_effects},
    ("sleepstudy", "varcorr"): lambda f, d: variances(f),
    ("sleepstudy independent", "summary"): lambda f, d: f.table,
    ("sleepstudy independent", "summary_kr"): lambda f, d: other(d, f.formula, df=KR).table,
    ("sleepstudy independent", "varcorr"): lambda f, d: variances(f),
    ("sleepstudy independent", "anova_fm1"): lambda f, d: jaxsim.anova(
        f, other(d, "Reaction ~ Days + (Days | Subject)"), boundary="naive"
    ),
    ("sleepstudy independent", "KRmodcomp"): lambda f, d: f.test("Days = 0", df=KR),
    ("sleepstudy independent", "profile"): lambda f, d: f.confint("profile"),
    ("sleepstudy quadratic", "contest"): lambda f, d: f.test("`I(Days^2)` = 0"),
    ("sleepstudy quadratic", "joint"): lambda f, d: joint(f, "Days = 0, `I(Days^2)` = 0"),
    ("sleepstudy quadratic", "single"): lambda f, d: single(f, "Days = 0", "`I(Days^2)` = 0"),
    ("sleepstudy quadratic", "wide"): lambda f, d: single(f, "Days = 0", "`I(Days^2)` = 0", level=0.99),
    ("sleepstudy quadratic", "rhs"): lambda f, d: joint(f, "Days = 5, `I(Days^2)` = 0.1"),
    ("sleepstudy quadratic slopes", "drop1"): lambda f, d: f.anova(),
    ("sleepstudy quadratic slopes", "SATmodcomp"): lambda f, d: joint(f, "Days = 0, `I(Days^2)` = 0"),
    ("sleepstudy poly", "drop1"): lambda f, d: f.anova(),
    ("sleepstudy deprived", "summary"): lambda f, d: f.table,
    ("sleepstudy deprived", "varcorr"): lambda f, d: variances(f),
    ("sleepstudy deprived", "criterion"): lambda f, d: {"criterion": f.criterion},
    ("sleepstudy deprived independent", "summary"): lambda f, d: f.table,
    ("sleepstudy deprived independent", "varcorr"): lambda f, d: variances(f),
    ("sleepstudy deprived independent", "criterion"): lambda f, d: {"criterion": f.criterion},
    ("cake", "type1"): lambda f, d: f.anova(1),
    ("cake", "type2"): lambda f, d: f.anova(2),
    ("cake", "type3"): lambda f, d: f.anova(3),
    ("cake", "ls_means"): lambda f, d: least_squares_means(f, "recipe"),
    ("cake", "difflsmeans"): lambda f, d: f.contrasts("recipe", "none"),
    ("cake additive", "drop1"): lambda f, d: f.anova(),
    ("cake additive", "drop1_kr"): lambda f, d: f.anova(df=KR),
    ("cake additive", "drop1_chi"): lambda f, d: removed(f, other(d, f"angle ~ recipe + {PICK}")),
    ("cake additive", "choose"): lambda f, d: jaxsim.anova(
        *(
            other(d, f"angle ~ {fixed} + {PICK}", reml=False, ordered="poly")
            for fixed in ("recipe + temp", "recipe + temperature", "recipe * temperature")
        )
    ),
    ("cake Temp", "recipe"): lambda f, d: least_squares_means(f, "recipe"),
    ("cake Temp", "Temp"): lambda f, d: least_squares_means(f, "Temp"),
    ("cake missing cell", "fixef"): lambda f, d: f.table,
    ("cake missing cell", "contest"): lambda f, d: f.table,
    ("ham", "anova"): lambda f, d: f.anova(),
    ("carrots", "anova"): lambda f, d: f.anova(),
    ("tvbo", "ranova"): lambda f, d: removed(f, other(d, "Coloursaturation ~ TVset * Picture + (1 | Assessor)"), refit=False),
    ("orthodont", "varcorr"): lambda f, d: variances(f),
    ("orthodont by sex", "estimates"): lambda f, d: {
        "criterion": f.criterion,
        "sigma": f.sigma,
        "variance": f.varcorr["variance"].iloc[:-1],
    },
    ("beets", "KRmodcomp"): lambda f, d: other(d, f.formula, df=KR).test("harvestharv2 = 0"),
    ("beets", "without_harvest"): lambda f, d: removed(f, other(d, "sugpct ~ block + sow + (1 | block:harvest)", reml=False)),
    ("beets", "without_sow"): lambda f, d: removed(f, other(d, "sugpct ~ block + harvest + (1 | block:harvest)", reml=False)),
    ("chickweight", "emmeans"): lambda f, d: f.emmeans("Time", by="Diet", at={"Time": [5, 10, 15, 20]}, df=KR),
    ("feedlot", "grid"): lambda f, d: f.emmeans("diet", at={"adj.ewt": 0}, df=KR),
}

LINEAR = {
    ("warpbreaks", "tension"): lambda f, d: f.emmeans("tension", by="wool"),
    ("warpbreaks", "wool"): lambda f, d: f.emmeans("wool", by="tension"),
    ("warpbreaks", "sidak"): lambda f, d: f.emmeans("tension", by="wool", adjust="sidak"),
    ("warpbreaks", "flat"): lambda f, d: f.emmeans("tension:wool", conf_level=0.9),
    ("warpbreaks", "poly"): lambda f, d: f.contrasts("tension", method="poly", by="wool"),
    ("warpbreaks", "pairs"): lambda f, d: f.contrasts("tension", by="wool"),
    ("warpbreaks", "simple"): lambda f, d: f.contrasts("wool", by="tension"),
    ("warpbreaks", "eff"): lambda f, d: f.contrasts("tension", method="eff", by="wool"),
    ("warpbreaks", "cells"): lambda f, d: f.contrasts("tension:wool", method="effects"),
    ("warpbreaks", "deleted"): lambda f, d: f.contrasts("tension", method="others", by="wool"),
    ("warpbreaks", "exclude"): lambda f, d: f.contrasts("tension", by="wool", at={"tension": ["L", "H"]}),
    ("warpbreaks", "control"): lambda f, d: f.contrasts(
        "tension", "dunnettx", "trt.vs.ctrl", by="wool", at={"tension": ["M", "L", "H"]}
    ),
    ("warpbreaks", "helmert"): lambda f, d: f.contrasts(
        "tension", method={"M vs earlier": [-1, 1, 0], "H vs earlier": [-1, -1, 2]}, by="wool"
    ),
    ("pigs", "source"): lambda f, d: f.emmeans("source"),
    ("pigs", "percent"): lambda f, d: f.emmeans("percent"),
    ("pigs", "level"): lambda f, d: f.emmeans("percent", conf_level=0.9),
    ("pigs", "grid"): lambda f, d: f.emmeans("source:percent"),
    ("pigs", "pairs"): lambda f, d: f.contrasts("source"),
    ("pigs", "poly"): lambda f, d: f.contrasts("percent", method="poly"),
    ("pigs", "consec"): lambda f, d: f.contrasts("percent", "none", "consec"),
    ("pigs", "scheffe"): lambda f, d: f.contrasts("percent", "scheffe", "consec"),
    ("pigs", "sidak"): lambda f, d: f.emmeans("source", adjust="sidak"),
    ("pigs", "joint"): lambda f, d: joint(f, ", ".join(f"factor(percent){level} = 0" for level in (12, 15, 18))),
    ("pigs", "own"): lambda f, d: f.contrasts("source", "bonferroni", {"lambda1": [1, 2, 0], "lambda2": [0, 3, -2]}),
    ("pigs interaction", "joint_tests"): lambda f, d: f.anova().replace({"term": r"factor\((\w+)\)"}, {"term": r"\1"}, regex=True),
    ("pigs interaction", "cells"): lambda f, d: f.emmeans("source:percent"),
    ("pigs interaction", "source"): lambda f, d: f.emmeans("source"),
    ("pigs interaction", "percent"): lambda f, d: f.contrasts("percent", "none", "consec", by="source"),
    ("pigs numeric", "grid"): lambda f, d: f.emmeans("source"),
    ("pigs numeric", "each"): lambda f, d: f.emmeans("source:percent", at={"percent": [9, 12, 15, 18]}),
    ("pigs factor", "poly"): lambda f, d: f.contrasts("percent", method="poly"),
    ("pigs cubic", "trend"): lambda f, d: pd.concat([f.trends("percent", at={"percent": at}) for at in (9, 13.5, 18)]),
    ("pigs root", "source"): lambda f, d: f.emmeans("source"),
    ("pigs aliased", "consec"): lambda f, d: f.contrasts("percent", "none", "consec"),
    ("fiber slopes", "emtrends"): lambda f, d: f.trends("diameter", by="machine"),
    ("fiber slopes", "pairs"): lambda f, d: f.contrasts("machine", slope="diameter"),
    ("fiber slopes", "grid"): lambda f, d: f.emmeans("diameter:machine", at={"diameter": [15, 25]}),
    ("fiber", "machine"): lambda f, d: f.emmeans("machine"),
    ("fiber", "pairs"): lambda f, d: f.contrasts("machine"),
    ("oranges", "day"): lambda f, d: f.emmeans("day"),
    ("oranges", "free"): lambda f, d: f.emmeans("day", at={"price1": 0}),
    ("nutrition", "Anova"): lambda f, d: f.anova(2),
    ("nutrition", "means"): lambda f, d: f.emmeans("group:race"),
    ("nutrition", "by_group"): lambda f, d: f.contrasts("race", by="group", at={"age": "3"}),
    ("nutrition", "by_race"): lambda f, d: f.contrasts("group", by="race", at={"age": "3"}),
    ("noise", "anova"): lambda f, d: f.anova(1),
    ("noise", "size"): lambda f, d: f.emmeans("size"),
    ("noise", "pairs"): lambda f, d: f.contrasts("size"),
    ("noise", "types"): lambda f, d: f.contrasts("size", by="type"),
    ("noise", "poly"): lambda f, d: f.contrasts("size", method="poly", by="type"),
    ("noise", "joint_tests"): lambda f, d: f.anova(),
    ("mtcars", "cyl"): lambda f, d: f.emmeans("cyl"),
    ("mtcars squares", "cyl"): lambda f, d: f.emmeans("cyl"),
    ("mtcars squares", "at"): lambda f, d: f.emmeans("cyl", at={"dispsq": 230.72**2}),
    ("warpbreaks without a cell", "cells"): lambda f, d: f.emmeans("wool:tension"),
    ("beets", "without_harvest"): lambda f, d: jaxsim.anova(jaxsim.ols("sugpct ~ block + sow", d), f).iloc[[1]],
    ("beets", "without_sow"): lambda f, d: jaxsim.anova(jaxsim.ols("sugpct ~ block + harvest", d), f).iloc[[1]],
}

NEW = pd.DataFrame({"age": [15, 20, 10, 12, 2, 4], "Subject": ["M01", "M01", "F30", "F30", "M04", "M04"]})


NLME = {
    ("orthodont", "summary"): lambda f, d: estimates(f),
    ("orthodont", "predict"): lambda f, d: {
        "group": f.predict(NEW).where(NEW["Subject"] != "F30"),
        "population": f.predict(NEW, level="population"),
    },
    ("orthodont", "anova"): lambda f, d: removed(f, other(d, "distance ~ age + (age || Subject)"), refit=False),
    ("orthodont", "ranef"): lambda f, d: {"modes": f.random_effects},
    ("orthodont", "coef"): lambda f, d: {"coef": f.coef},
    ("orthodont intercepts", "summary"): lambda f, d: estimates(f),
    ("orthodont intercepts", "fitted"): lambda f, d: {"fitted": f.fitted},
    ("orthodont intercepts", "residuals"): lambda f, d: {"residuals": f.residuals},
    ("orthodont ML", "summary"): lambda f, d: estimates(f),
    ("orthodont females", "summary"): lambda f, d: estimates(f),
    ("orthodont females", "getVarCov"): lambda f, d: {"covariance": f.covariance},
    ("machines", "summary"): lambda f, d: estimates(f),
    ("machines", "fm3Machine"): lambda f, d: removed(other(d, "score ~ Machine + (0 + Machine | Worker)"), f, refit=False),
    ("machines free", "summary"): lambda f, d: estimates(f),
    ("ergoStool", "summary"): lambda f, d: estimates(f),
    ("ergoStool", "anova"): lambda f, d: f.anova(),
    ("ergoStool", "intervals"): lambda f, d: {
        "sd": f.confint().iloc[-2][["conf_low", "conf_high"]],
        "sigma": f.confint().iloc[-1][["conf_low", "conf_high"]],
    },
}

QUESTIONS = {"mixed": MIXED, "linear": LINEAR, "nlme": NLME}
CASES = [(kind, *case) for kind, cases in QUESTIONS.items() for case in cases]

# Closed forms of well-conditioned data.
EXACT = dict(rtol=1e-6, atol=1e-9)
# lme4 and nlme stop when the criterion changes by less than 1e-8 or so, which leaves variances up to 2e-4 away from the optimum; a
# t of 36 makes forty times as much of it in its p value, of 1e-18. A limit next to zero is as good as the others.
OPTIMISER, OF_P = dict(rtol=5e-4, atol=1e-6), dict(rtol=5e-3, atol=1e-9)
# R's ptukey is good to 3e-7 and never below 1e-14, and the limits by qtukey to 1e-5.
TUKEY = dict(rtol=1e-6, atol=1e-5)
ROUGH = {
    # joint_tests and test(joint = TRUE) round F to three decimals.
    ("pigs", "joint"): dict(rtol=1e-6, atol=5.1e-4),
    ("pigs interaction", "joint_tests"): dict(rtol=1e-6, atol=5.1e-4),
    ("noise", "joint_tests"): dict(rtol=1e-6, atol=5.1e-4),
    # emtrends takes the difference over a thousandth of the range to one side, ours is central.
    ("pigs cubic", "trend"): dict(rtol=4e-3),
    # nlme's Hessian is made of differences.
    ("ergoStool", "intervals"): dict(rtol=5e-4),
}


def tolerance(kind, name, question, column):
    if (name, question) in ROUGH:
        return ROUGH[name, question]
    if kind != "linear":
        return OF_P if column == "p_value" else OPTIMISER
    of_tukey = "contrast" in STORED[kind][name]["answers"][question] and column in ("p_value", "conf_low", "conf_high")
    return TUKEY if of_tukey else EXACT


def test_every_stored_answer_is_asked_for():
    for kind, cases in QUESTIONS.items():
        stored = {(name, question) for name, example in STORED[kind].items() for question in example["answers"]}
        assert stored == set(cases)


@pytest.mark.parametrize(("kind", "name", "question"), CASES)
def test_documented_examples_have_the_numbers_that_are_printed(kind, name, question):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means that no row decides: NaN here, nonEst there
        found = QUESTIONS[kind][name, question](*fitted(kind, name))
    for column, stored in STORED[kind][name]["answers"][question].items():
        ours = found["trend" if column == "mean" and "trend" in found else column]
        if column in ("term", "contrast"):
            assert list(ours) == list(np.atleast_1d(stored))
            continue
        expected = np.array(stored, float)
        close = tolerance(kind, name, question, column)
        np.testing.assert_allclose(np.array(ours, float).reshape(expected.shape), expected, err_msg=column, **close)


def test_a_list_of_regressions_is_a_two_stage_fit():
    """nlme's ``lmList`` and its ``fixef``: the coefficients of each group, and their means."""
    stored = STORED["lists"]["orthodont"]["answers"]
    fit = jaxsim.lm2("distance ~ age", rows("orthodont"), group="Subject")
    np.testing.assert_allclose(fit.coef, stored["coef"]["coef"], **EXACT)
    np.testing.assert_allclose(fit.table["estimate"], stored["fixef"]["estimate"], **EXACT)
