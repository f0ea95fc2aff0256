"""How much does the prior decide? The same datasets under five sets of priors, from 4 to 32 groups.

    python experiments/prior_sensitivity.py --out results/prior_sensitivity

Groups of 5 rows with a random intercept; group SD and residual SD are 1, the fixed intercept is 0. Writes a table and a picture
with 95% Monte Carlo limits: the posterior mean of the group SD over the truth, the weight of a group's own mean in its effect at
the estimated SDs, coverage of the intercept's 95% interval, the shrinkage of the groups' intercepts (1 - SD of the estimated over
SD of the true ones) and their root mean squared error. REML (`lmer`) stands beside them.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from jaxsim import GaussianMultilevel, Grid, HierarchicalBayes, LinearMixed, Priors, Results, Study, prior

ROWS = 5
SHARE = ROWS / (ROWS + 1)  # of a group's own mean in its best prediction, at the true SDs
# Of the best predictions, at the true SDs and mean: their variance is SHARE, that of their errors 1 - SHARE.
TRUTHS = {
    "group SD / truth": 1.0,
    "weight of a group's mean": SHARE,
    "coverage": 0.95,
    "shrinkage": 1 - SHARE**0.5,
    "group RMSE": (1 - SHARE) ** 0.5,
}
MEASURES = {"group_shrinkage": "shrinkage", "group_rmse": "group RMSE"}
NARROW = Priors(sd=prior("HalfNormal", autoscale=False, scale=0.25))  # wrong on purpose: a truth of 1 is four scales away

process = GaussianMultilevel(n_predictors=0, fixed_effects=(0.0,), group_sd=1.0, residual_sd=1.0, n_obs=ROWS)
grid = Grid(n_groups=[4, 8, 16, 32])
estimators = (
    LinearMixed(label="lmer"),
    HierarchicalBayes(method="fast", label="weak"),
    HierarchicalBayes(priors="flat", method="fast", label="flat"),
    HierarchicalBayes(priors="informative", method="fast", label="informative"),
    HierarchicalBayes(priors="rstanarm", method="fast", label="rstanarm"),
    HierarchicalBayes(priors=NARROW, method="fast", label="too narrow"),
)
study = Study(process, grid, estimators, replicates=500, seed=0, group_coefficients=True)


def table(results: Results) -> pd.DataFrame:
    """``n_groups, model, measure, value, mcse, n, failed`` of the fits that are usable."""
    fits, key = results.fits, ["cell", "replicate", "model"]
    estimates = results.estimates[[*key, "truth", "conf_low", "conf_high"]]
    every = fits.merge(estimates, on=key, validate="one_to_one")
    usable = every[every["status"].isin(["ok", "singular"])]
    variance = usable["sd_Group_Intercept"] ** 2
    values = {
        "group SD / truth": usable["sd_Group_Intercept"],
        "weight of a group's mean": variance / (variance + usable["sigma"] ** 2 / ROWS),
        "coverage": usable["truth"].between(usable["conf_low"], usable["conf_high"]).astype(float),
    }
    groups = usable["cell"].map(dict(enumerate(grid_levels())))
    failed = len(every) / (len(estimators) * len(grid_levels()))
    parts = []
    for name, value in values.items():
        found = value.groupby([groups.rename("n_groups"), usable["model"].astype(str)]).agg(["mean", "std", "count"])
        frame = found.reset_index().rename(columns={"mean": "value", "count": "n"})
        parts.append(frame.assign(measure=name, mcse=frame["std"] / np.sqrt(frame["n"]), failed=failed - frame["n"]))
    of_groups = results.measures(["n_groups", "model"], measures=list(MEASURES)).rename(
        columns={"n_used": "n", "n_failed": "failed"}
    )
    parts.append(of_groups.assign(measure=of_groups["measure"].map(MEASURES), model=of_groups["model"].astype(str)))
    return pd.concat(parts, ignore_index=True)[["n_groups", "model", "measure", "value", "mcse", "n", "failed"]]


def grid_levels() -> list[int]:
    """Number of groups of every cell."""
    return [cell.process.n_groups for cell in study.cells]


def draw(found: pd.DataFrame) -> plt.Figure:
    """A panel for each measure, groups on a logarithmic axis; places are moved a little so that bars do not hide each other."""
    figure, axes = plt.subplots(1, len(TRUTHS), figsize=(4 * len(TRUTHS), 3.6), layout="constrained")
    for axis, (measure, truth) in zip(axes, TRUTHS.items(), strict=True):
        for k, estimator in enumerate(estimators):
            part = found[(found["measure"] == measure) & (found["model"] == estimator.name)]
            place = part["n_groups"] * 1.05 ** (k - (len(estimators) - 1) / 2)
            axis.errorbar(place, part["value"], 1.96 * part["mcse"], fmt="o-", ms=3, lw=0.8, label=estimator.name)
        axis.axhline(truth, color="0.5", lw=0.8)
        axis.set_xscale("log", base=2)
        axis.set_xticks(grid_levels(), grid_levels())
        axis.minorticks_off()
        axis.set_title(measure, fontsize=10)
        axis.set_xlabel("groups")
    axes[0].legend(fontsize=8)
    return figure


def main() -> None:
    """Run the study, and write what the priors change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/prior_sensitivity"))
    out = parser.parse_args().out
    found = table(study.run(out))
    found.to_csv(out / "prior_sensitivity.csv", index=False)
    draw(found).savefig(out / "prior_sensitivity.png", dpi=130)
    print(found.pivot_table(index=["measure", "n_groups"], columns="model", values="value").round(3).to_string())
    print(
        f"largest Monte Carlo standard error: {found['mcse'].max():.3f}; fits without a usable answer: {found['failed'].max():.0f}"
    )
    print(f"picture: {out / 'prior_sensitivity.png'}")


if __name__ == "__main__":
    main()
