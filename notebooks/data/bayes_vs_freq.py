"""The tables that the notebook 03_bayes_or_not reads, from the results of experiments/bayes_vs_freq.py:

jaxsim run experiments/bayes_vs_freq.py --out results/bayes_vs_freq
python notebooks/data/bayes_vs_freq.py results/bayes_vs_freq
"""

import sys
from pathlib import Path

import jaxsim

HERE = Path(__file__).parent
CONDITIONS = ["n_groups", "n_obs", "group_sd"]
MEASURES = ["rmse", "coverage", "bias", "mean_width"]


def main(folder: str) -> None:
    """Write measures by condition, averaged over coefficients; paired differences to lmer; and how the posteriors were sampled."""
    results = jaxsim.load(folder)
    options = {"index": False, "float_format": "%.6g"}
    results.measures(by=["model", *CONDITIONS], measures=MEASURES).to_csv(HERE / "bayes_vs_freq.csv", **options)
    results.paired("lmer", by=CONDITIONS).to_csv(HERE / "bayes_vs_freq_paired.csv", **options)
    fits = results.fits[results.fits["model"].isin(["bayes", "bayes_inf"])]
    reliability = fits.groupby(["model", "n_groups"], observed=True).agg(
        fits=("status", "size"),
        ok=("status", lambda status: (status == "ok").mean()),
        nuts=("nuts", "mean"),
        smallest_ess=("ess", "min"),
        attempts=("attempts", "mean"),
    )
    reliability.reset_index().to_csv(HERE / "bayes_reliability.csv", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
