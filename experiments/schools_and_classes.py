"""Pupils in classes in schools: what does it cost to leave a level out, or to cluster by the wrong one?

Four classes in each of 8 or 24 schools, ten pupils in each class; every second class is taught by a new method. Schools differ
(SD .4), classes of a school too or not (SD .5), and so do pupils (SD 1); the method's effect is 0 or .4. 3,200 datasets in each of
8 cells (25,600 in all), so that a rate near .05 has a Monte Carlo standard error of .004. Run it either way:

    python experiments/schools_and_classes.py
    jaxsim run experiments/schools_and_classes.py --out results/schools_and_classes
"""

from jaxsim import ClusterRobust, Design, Grid, LinearMixed, MultiwayCluster, PooledOLS, Study, between, nested
from jaxsim.cli import run_script

design = Design(
    "score ~ method + (1 | school/class)",
    units={"school": 8, "class": nested("school", 4)},
    repeats=10,  # pupils of a class
    variables={"method": between("class", ("old", "new"))},
    effects={"methodnew": 0},
    sd={"school": 0.4, "class": 0},
    residual_sd=1,
    sampler="cross_products",  # pupils need not be drawn one by one
)
grid = Grid(**{"units.school": [8, 24], "sd.class": [0, 0.5], "effects.methodnew": [0, 0.4]})
estimators = (
    PooledOLS(label="ols"),
    ClusterRobust(vcov="CR2", label="lm by school"),
    ClusterRobust(vcov="CR2", cluster="class", label="lm by class"),
    MultiwayCluster(label="lm two-way"),
    LinearMixed("score ~ method + (1 | school/class)", label="three levels"),
    LinearMixed("score ~ method + (1 | school)", label="schools only"),
    LinearMixed("score ~ method + (1 | class)", label="classes only"),
)

study = Study(design, grid, estimators, replicates=3200, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/schools_and_classes")
