"""Simulation-based calibration of the Bayesian model: 1,000 datasets of few groups, and a wrong model beside them.

    python experiments/sbc.py --out results/sbc

writes the ranks (CSV) and pictures: ``ecdf.png``, differences of the ranks' distribution functions to uniform with simultaneous 95%
bands, and z-scores against contraction. ``right`` is the model itself; the simulator of ``wrong`` draws group SDs half as large as
the model believes: it must be caught. The bands are for one quantity at a time: of sixteen, one is expected outside now and then.
``--method nuts`` ranks the draws of one attempt by Markov chains, converged or not. ``--seed`` draws other datasets: a quantity
that is outside with one seed only may be so by chance.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from jaxsim import HierarchicalBayes, Priors, prior, sbc
from jaxsim.calibration import RANKED, Calibration, bands

COLUMNS = 4  # of panels


def priors(group_sd: float) -> Priors:
    """Proper and in the units of the data: half-normal SDs of scale ``group_sd`` and 1, standard normal coefficients, LKJ(1)."""
    normal = prior("Normal", autoscale=False, loc=0.0, scale=1.0)
    half = prior("HalfNormal", autoscale=False, scale=group_sd)
    return Priors(normal, normal, half, 1.0, prior("HalfNormal", autoscale=False, scale=1.0), centre=False)


def panels(count: int) -> tuple[plt.Figure, list[plt.Axes]]:
    """A figure of ``count`` panels, four in a row."""
    rows = -(-count // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(3 * COLUMNS, 2.3 * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    return figure, list(axes.flat[:count])


def draw_ecdf(ranks: dict[str, pd.DataFrame]) -> plt.Figure:
    """One panel a quantity, one line a simulator (all of the same number of datasets)."""
    first = next(iter(ranks.values()))
    at, low, high = bands(len(first), RANKED)
    figure, axes = panels(len(first.columns))
    for axis, name in zip(axes, first, strict=True):
        axis.fill_between(at, low, high, color="0.85")
        for label, found in ranks.items():
            below = np.searchsorted(np.sort(found[name]), np.arange(RANKED), side="right") / len(found)
            axis.plot(at, below - at, lw=1, label=label)
        axis.set_title(name, fontsize=9)
    axes[0].legend(fontsize=8)
    figure.supxlabel("rank / draws")
    figure.supylabel("distribution of ranks less uniform")
    return figure


def draw_contraction(found: Calibration) -> plt.Figure:
    """z-score of every dataset against the contraction of its posterior (Betancourt 2018)."""
    figure, axes = panels(len(found.z.columns))
    for axis, name in zip(axes, found.z, strict=True):
        axis.scatter(found.contraction[name], found.z[name], s=2, alpha=0.4)
        axis.axhline(0, color="0.5", lw=0.8)
        axis.set_title(name, fontsize=9)
    axes[0].set_xlim(-0.5, 1)
    figure.supylabel("(posterior mean - truth) / posterior SD")
    figure.supxlabel("1 - posterior variance / prior variance")
    return figure


def main() -> None:
    """Run the calibration with the numbers of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/sbc"))
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--predictors", type=int, default=3)
    parser.add_argument("--method", choices=("fast", "nuts"), default="fast")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    strategy = HierarchicalBayes(priors=priors(1.0), method=arguments.method)
    sizes = dict(n_groups=arguments.groups, n_obs=arguments.rows, n_predictors=arguments.predictors)
    ranks = {}
    for name, simulator in (("right", None), ("wrong", priors(0.5))):
        found = sbc(strategy, arguments.datasets, **sizes, seed=arguments.seed, simulator=simulator)
        found.ranks.assign(status=found.status).to_csv(arguments.out / f"ranks_{name}.csv", index=False)
        draw_contraction(found).savefig(arguments.out / f"contraction_{name}.png", dpi=100)
        ranks[name] = found.ranks
        print(f"\n{name} model, {len(found.ranks)} datasets: {found.status.value_counts().to_dict()}")
        print(found.table().to_string(index=False))
    draw_ecdf(ranks).savefig(arguments.out / "ecdf.png", dpi=100)
    print("\npictures:", *(str(picture) for picture in sorted(arguments.out.glob("*.png"))), sep="\n  ")


if __name__ == "__main__":
    main()
