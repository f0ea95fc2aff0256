"""Which analysis keeps its promise in a messy world? Type I error and coverage of a trend over eight weeks, one trouble at a time.

People differ in where they begin and in how they change; nobody changes on average, so that every trend that is found is a false
positive. 10 or 40 people; 3,200 datasets in each of 32 cells (102,400 in all), so that a rate near .05 has a Monte Carlo standard
error of .004. Run it either way:

    python experiments/messy_worlds.py
    jaxsim run experiments/messy_worlds.py --out results/messy_worlds
"""

from jaxsim import (
    AR1,
    GEE,
    MAR,
    MCAR,
    MNAR,
    AutoregressiveMixed,
    ClusterRobust,
    Contaminated,
    Design,
    Dropout,
    Gamma,
    Grid,
    Limited,
    LinearMixed,
    LostOccasions,
    Outliers,
    PooledOLS,
    Scenario,
    StudentT,
    Study,
    TwoKinds,
    TwoStage,
    VarianceBetween,
    VarianceBy,
    WithinRegression,
    within,
)
from jaxsim.cli import run_script

design = Design(
    "y ~ week + (1 + week | person)",
    units={"person": 40},
    variables={"week": within(0, 1, 2, 3, 4, 5, 6, 7)},
    sd={"person": {"Intercept": 1.0, "week": 0.1}},
    correlation={"person": 0.2},
    residual_sd=1.0,
)

worlds = [
    Scenario("ideal"),
    # Residuals, and what is written down of them.
    Scenario("heavy tails", residual=StudentT(3)),
    Scenario("skewed", residual=Gamma(1, 1)),
    Scenario("contaminated", residual=Contaminated(0.1, 5)),
    Scenario("outliers", outliers=Outliers(0.02, 8)),
    Scenario("ceiling", recorded=Limited(ceiling=1.0)),
    Scenario("autocorrelated", serial=AR1(0.6)),
    Scenario("variance grows", variance=VarianceBy("week", 1.3)),
    # People.
    Scenario("people vary unequally", variance=VarianceBetween(0.8)),
    Scenario("two kinds of people", group_effects=TwoKinds(0.2, 5)),
    # What goes missing.
    Scenario("missing at random", missing=MCAR(0.3)),
    Scenario("occasions lost", missing=(LostOccasions(0.4), MAR(0.1))),
    Scenario("dropout, by the last response", missing=Dropout(0.15, by="earlier", slope=2)),
    Scenario("missing, the large ones", missing=MNAR(0.3, slope=2)),
    "realistic",
    "harsh",
]
grid = Grid(scenario=worlds, **{"units.person": [10, 40]})

formula = "y ~ week"
estimators = (
    PooledOLS(formula=formula, label="ols"),
    ClusterRobust(vcov="CR2", formula=formula, label="lm CR2"),
    TwoStage(formula=formula, label="lm2"),
    TwoStage(formula=formula, mean="huber", label="lm2 Huber"),
    LinearMixed("y ~ week + (1 + week | person)", label="lmer"),
    LinearMixed("y ~ week + (1 + week | person)", vcov="CR2", label="lmer CR2"),
    LinearMixed("y ~ week + (1 | person)", label="lmer_mis"),
    LinearMixed("y ~ week + (1 | person)", vcov="CR2", label="lmer_mis CR2"),
    WithinRegression(formula=formula, label="within CR1"),
    GEE(formula=formula, working="exchangeable", label="gee exch."),
    GEE(formula=formula, working="exchangeable", correction="mancl-derouen", label="gee exch. MD"),
    GEE(formula=formula, working="ar1", correction="mancl-derouen", label="gee ar1 MD"),
    AutoregressiveMixed("y ~ week + (1 | person)", label="lme ar1"),
    AutoregressiveMixed("y ~ week + (1 + week | person)", label="lme ar1 slopes"),
)

study = Study(design, grid, estimators, replicates=3200, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/messy_worlds")
