"""How often lme4, at tight tolerances and from several starts, finds a lower REML criterion than jaxsim.

By default where that is likeliest: few groups with hardly more rows than random effects, whose criterion has several optima.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import table
from tiles import Bench, wanted

from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study

FIT_LME4 = Path(__file__).parent.parent / "tests" / "lme4" / "fit_lme4.R"
# Criteria nearer than this count as equal: lme4's own optimisers stop at about that.
SAME = 1e-6


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit both, compare, write the table."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    grid = Grid(n_groups=options.groups, n_obs=options.obs, group_sd=options.sd)
    study = Study(GaussianMultilevel(n_predictors=3), grid, LinearMixed(), options.replicates, seed=options.seed)
    cells = compare(study, jaxsim_criteria(study), lme4_criteria(study))
    higher, fits = int(cells["jaxsim higher"].sum()), int(cells["fits"].sum())
    notes = [f"**jaxsim's criterion is the higher one, by more than {SAME:g}, in {higher} of {fits:,} datasets.**"]
    table.write(options.out, "criterion", "The REML criterion against lme4's best", head, {"By cell": cells}, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=40, help="datasets per cell (default: 40; R takes 0.5 to 3 s each)")
    parser.add_argument("--groups", nargs="+", type=int, default=[5], help="default: 5")
    parser.add_argument("--obs", nargs="+", type=int, default=[5], help="rows per group (default: 5)")
    parser.add_argument("--sd", nargs="+", type=float, default=[0.1, 1.0, 4.0], help="between-group SDs (default: .1 1 4)")
    parser.add_argument("--seed", type=int, default=99)
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables")
    return parser.parse_args(arguments)


def jaxsim_criteria(study: Study) -> pd.Series:
    """Our criterion by ``(cell, replicate)``."""
    bench, found = Bench(study), {}
    tiles = bench.tiles()
    for tile, fit in zip(tiles, bench.fit(0, tiles, bench.simulate(tiles)), strict=True):
        found |= {(int(c), int(r)): v for c, r, v in zip(tile.cells, tile.replicates, wanted(tile, fit.criterion), strict=True)}
    return pd.Series(found)


def lme4_criteria(study: Study) -> pd.Series:
    """lme4's best criterion of the same rows, by ``(cell, replicate)``; NaN where it refuses the data."""
    keys = [(cell.index, replicate) for cell in study.cells for replicate in range(study.replicates)]
    rows = pd.concat([study.dataset(*key).assign(dataset="{}_{}".format(*key)) for key in keys])
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "rows.csv", Path(folder) / "fits.json"
        rows.to_csv(source, index=False)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = ["Rscript", str(FIT_LME4), str(source), str(target), "", "REML", "best"]
        subprocess.run(command, check=True, env=os.environ | threads)
        results = json.loads(target.read_text())["results"]
    return pd.Series({tuple(map(int, r["dataset"].split("_"))): r.get("criterion", np.nan) for r in results})


def compare(study: Study, ours: pd.Series, theirs: pd.Series) -> pd.DataFrame:
    """One row a cell: how many fits, and in how many each was the higher."""
    gap = (ours - theirs).dropna()
    rows = []
    for cell in study.cells:
        own = gap[gap.index.get_level_values(0) == cell.index]
        counts = {"fits": len(own), "jaxsim higher": int((own > SAME).sum()), "lme4 higher": int((own < -SAME).sum())}
        rows.append({**dict(cell.conditions), **counts, "largest excess": own.max(), "largest gain": -own.min()})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
