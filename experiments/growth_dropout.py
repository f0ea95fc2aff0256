"""People who leave a trial: which analyses stay unbiased, and which find an effect that is not there?

Two arms, five visits, straight lines of growth; at each visit 15% of those who are left leave: completely at random, the more
often the worse their last visit was (at random), the worse they are now (not at random), or more of the active arm. The effect is
the difference of the slopes. Completers' change scores and the last observation carried forward are what is still done;
they are written here as own strategies, in JAX. 100,000 datasets. Run it either way:

    python experiments/growth_dropout.py
    jaxsim run experiments/growth_dropout.py --out results/growth_dropout
"""

import jax.numpy as jnp

from jaxsim import GEE, Design, Dropout, FunctionEstimator, Grid, LinearMixed, Scenario, Study, between, within
from jaxsim.cli import run_script

VISITS = (0, 1, 2, 3, 4)

design = Design(
    "y ~ drug * week + (1 + week | person)",
    units={"person": 60},
    variables={"drug": between("person", ("placebo", "active")), "week": within(*VISITS)},
    effects={"Intercept": 0, "week": -0.25},  # everybody gets better, by 1 SD in four weeks
    sd={"person": {"Intercept": 1.0, "week": 0.2}},
    residual_sd=0.7,
)

leaving = [
    Scenario("nobody leaves"),
    Scenario("at random", missing=Dropout(0.15)),
    Scenario("after a bad visit", missing=Dropout(0.15, by="earlier", slope=2.0)),
    Scenario("when worse", missing=Dropout(0.15, by="own", slope=2.0)),
    Scenario("from the active arm", missing=Dropout(0.15, by="drugactive", slope=0.7)),
]
grid = Grid(scenario=leaving, **{"units.person": [30, 100], "effects.drugactive:week": [0.0, -0.15]})


def of_changes(change, active, there):
    """Welch's t test of changes ``[U]`` between arms, per week."""
    arms = [there & (active > 0), there & (active == 0)]
    n = [arm.sum() for arm in arms]
    means = [jnp.where(arm, change, 0).sum() / k for arm, k in zip(arms, n, strict=True)]
    own = [jnp.where(arm, (change - m) ** 2, 0).sum() / (k - 1) / k for arm, k, m in zip(arms, n, means, strict=True)]
    df = (own[0] + own[1]) ** 2 / sum(v**2 / (k - 1) for v, k in zip(own, n, strict=True))
    weeks = VISITS[-1] - VISITS[0]
    return {"estimate": (means[0] - means[1])[None] / weeks, "std_error": jnp.sqrt(sum(own))[None] / weeks, "df": df[None]}


def by_person(data):
    """Responses, which of them are there, and the arm: ``[U, 5]`` twice, and ``[U]``."""
    y, there = data.y.reshape(-1, len(VISITS)), data.present.reshape(-1, len(VISITS))
    return y, there, data.x[:, data.columns.index("drugactive")].reshape(-1, len(VISITS))[:, 0]


def completers(data):
    """Change from the first to the last visit of those who have both."""
    y, there, active = by_person(data)
    return of_changes(y[:, -1] - y[:, 0], active, there[:, 0] & there[:, -1])


def locf(data):
    """The same of everybody, the last visit being the last one that was seen."""
    y, there, active = by_person(data)
    last = jnp.where(there, jnp.arange(len(VISITS)), 0).max(1)
    return of_changes(jnp.take_along_axis(y, last[:, None], axis=1)[:, 0] - y[:, 0], active, there[:, 0])


effect = ("drugactive:week",)
estimators = (
    FunctionEstimator(completers, data="rows", terms=effect),
    FunctionEstimator(locf, data="rows", terms=effect),
    GEE(formula="y ~ drug * week", working="independence", correction="mancl-derouen", label="gee indep."),
    GEE(formula="y ~ drug * week", working="exchangeable", correction="mancl-derouen", label="gee exch."),
    LinearMixed("y ~ drug * week + (1 | person)", label="lmer_mis"),
    LinearMixed("y ~ drug * week + (1 + week | person)", df="kenward-roger", label="lmer"),
)

study = Study(design, grid, estimators, replicates=5000, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/growth_dropout")
