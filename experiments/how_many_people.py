"""How many people? A trial with two arms and four visits, written as people think of an experiment.

Half of the people get the drug; everybody is seen on days 0, 1, 3 and 9; people differ in where they begin and in how they change.
The question is whether the drug changes the slope, and what the usual analyses say about it. Run it either way:

    python experiments/how_many_people.py
    jaxsim run experiments/how_many_people.py --replicates 1000 --out results/how_many_people
"""

from jaxsim import ClusterRobust, Design, Grid, LinearMixed, Normal, Study, between, covariate, within
from jaxsim.cli import run_script

design = Design(
    "rt ~ drug * day + age + (day | subject)",
    units={"subject": 40},
    variables={
        "drug": between("subject", levels=("placebo", "active"), ratio=(1, 1)),  # balanced; the first level is the reference
        "day": within(0, 1, 3, 9),  # the same schedule for everyone
        "age": covariate("subject", Normal(35, 10)),
    },
    effects={"Intercept": 500, "day": 10, "drugactive:day": -5},  # what is not named is 0
    sd={"subject": {"Intercept": 60, "day": 8}},
    correlation={"subject": 0.2},
    residual_sd=40,
)

grid = Grid(**{"units.subject": [20, 40, 80, 120], "effects.drugactive:day": [0.0, -5.0]})

estimators = (
    LinearMixed("rt ~ drug * day + age + (day | subject)", df="kenward-roger", label="lmer"),
    LinearMixed("rt ~ drug * day + age + (1 | subject)", label="lmer_intercepts"),  # leaves the people's own slopes out
    ClusterRobust("CR2", formula="rt ~ drug * day + age", label="lm_cr2"),
)

study = Study(design, grid, estimators, replicates=1000, seed=0)

if __name__ == "__main__":
    print(design.preview())
    run_script(study, default_out="results/how_many_people")
