"""Subjects who read items: which analysis of a condition keeps its level, and which finds the effect?

Every subject meets every item once, in one of two conditions that rotate over the pairs (a Latin square), coded -.5 and .5.
Subjects and items differ in their means (SD 100 and 50 ms) and, or not, in how the condition changes their times (SD 60); the
residual SD is 300. The condition's effect is 0 or 60 ms. 12 or 48 subjects, 8 or 32 items; 3,200 datasets in each of 32 cells
(102,400 in all), so that a rate near .05 has a Monte Carlo standard error of .004. The models are those of Barr et al. (2013) and
Matuschek et al. (2017), the classic analyses those of Clark (1973) and his critics. Run it either way:

    python experiments/crossed_items.py
    jaxsim run experiments/crossed_items.py --out results/crossed_items
"""

from jaxsim import (
    F1F2,
    Aggregated,
    ClusterRobust,
    Design,
    Grid,
    LinearMixed,
    MinF,
    MultiwayCluster,
    SelectedMixed,
    Study,
    counterbalanced,
)
from jaxsim.cli import run_script

design = Design(
    "rt ~ cond + (cond | subject) + (cond | item)",
    units={"subject": 12, "item": 8},
    variables={"cond": counterbalanced((-0.5, 0.5), over=("subject", "item"))},
    effects={"Intercept": 600, "cond": 0},
    sd={"subject": {"Intercept": 100, "cond": 0}, "item": {"Intercept": 50, "cond": 0}},
    correlation={"subject": 0.3, "item": 0.3},
    residual_sd=300,
)
grid = Grid(
    **{
        "units.subject": [12, 48],
        "units.item": [8, 32],
        "sd.subject.cond": [0, 60],
        "sd.item.cond": [0, 60],
        "effects.cond": [0, 60],
    }
)

maximal = "rt ~ cond + (cond | subject) + (cond | item)"
apart = "rt ~ cond + (cond || subject) + (cond || item)"
subjects_slopes = "rt ~ cond + (cond || subject) + (1 | item)"
intercepts = "rt ~ cond + (1 | subject) + (1 | item)"
models = (maximal, apart, subjects_slopes, intercepts)
estimators = (
    LinearMixed(maximal, label="maximal"),
    LinearMixed(intercepts, label="intercepts"),
    LinearMixed("rt ~ cond + (cond | subject)", label="subjects only"),
    SelectedMixed(models, label="backward"),
    SelectedMixed(models, rule="singular", label="until regular"),
    Aggregated(cluster="subject", label="F1"),
    Aggregated(cluster="item", label="F2"),
    F1F2(label="F1 and F2"),
    MinF(label="min F'"),
    ClusterRobust(label="lm by subject"),
    MultiwayCluster(label="lm two-way"),
)

study = Study(design, grid, estimators, replicates=3200, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/crossed_items")
