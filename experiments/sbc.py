"""Simulation-based calibration of the Bayesian model: 1,000 datasets of few groups, and a wrong model beside them.

    python experiments/sbc.py --out results/sbc

writes the ranks (CSV) and two pictures: differences of the ranks' distribution functions to uniform with simultaneous 95% bands,
and z-scores against contraction. The second row of tables is of a simulator whose SDs are half as large as the model believes: it
must be caught.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from jaxsim import HierarchicalBayes, Priors, prior, sbc
from jaxsim.calibration import RANKED, Calibration, bands


def priors(group_sd: float) -> Priors:
    """Proper and in the units of the data: half-normal SDs of scale ``group_sd`` and 1, standard normal coefficients, LKJ(1)."""
    normal = prior("Normal", autoscale=False, loc=0.0, scale=1.0)
    half = prior("HalfNormal", autoscale=False, scale=group_sd)
    return Priors(normal, normal, half, 1.0, prior("HalfNormal", autoscale=False, scale=1.0), centre=False)


def draw_ecdf(found: Calibration) -> plt.Figure:
    """One panel a quantity."""
    at, low, high = bands(len(found.ranks), RANKED)
    columns = 4
    rows = -(-len(found.ranks.columns) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.3 * rows), sharex=True, sharey=True, squeeze=False)
    for axis, name in zip(axes.flat, found.ranks, strict=False):
        below = np.searchsorted(np.sort(found.ranks[name]), np.arange(RANKED), side="right") / len(found.ranks)
        axis.fill_between(at, low, high, color="0.85")
        axis.plot(at, below - at, lw=1)
        axis.set_title(name, fontsize=9)
    for axis in axes.flat[len(found.ranks.columns) :]:
        axis.set_axis_off()
    figure.supxlabel("rank / draws")
    figure.supylabel("distribution of ranks less uniform")
    figure.tight_layout()
    return figure


def draw_contraction(found: Calibration) -> plt.Figure:
    """z-score of every dataset against the contraction of its posterior (Betancourt 2018)."""
    figure, axes = plt.subplots(1, len(found.z.columns), figsize=(2.6 * len(found.z.columns), 2.6), sharey=True)
    for axis, name in zip(axes, found.z, strict=True):
        axis.scatter(found.contraction[name], found.z[name], s=2, alpha=0.4)
        axis.set_xlim(-0.5, 1)
        axis.set_title(name, fontsize=9)
    axes[0].set_ylabel("(posterior mean - truth) / posterior SD")
    figure.supxlabel("1 - posterior variance / prior variance", fontsize=9)
    figure.tight_layout()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/sbc"))
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--predictors", type=int, default=3)
    parser.add_argument("--method", choices=("fast", "nuts"), default="fast")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    strategy = HierarchicalBayes(priors=priors(1.0), method=arguments.method)
    sizes = dict(n_groups=arguments.groups, n_obs=arguments.rows, n_predictors=arguments.predictors)
    for name, simulator in (("right", None), ("wrong", priors(0.5))):
        found = sbc(strategy, arguments.datasets, **sizes, simulator=simulator)
        found.ranks.assign(status=found.status).to_csv(arguments.out / f"ranks_{name}.csv", index=False)
        draw_ecdf(found).savefig(arguments.out / f"ecdf_{name}.png", dpi=150)
        draw_contraction(found).savefig(arguments.out / f"contraction_{name}.png", dpi=150)
        print(f"\n{name} model, {len(found.ranks)} datasets: {found.status.value_counts().to_dict()}")
        print(found.table().to_string(index=False))


if __name__ == "__main__":
    main()
