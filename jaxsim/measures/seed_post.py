"""One row a fit, with the columns and the three sums of the 2019 study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from jaxsim.errors import InputError
from jaxsim.measures.policy import is_usable, require
from jaxsim.measures.rates import is_success

# The post's names of the conditions. Its "Btwn_grp_sigma" is a standard deviation.
CONDITIONS = {"n_groups": "Num_grp", "n_obs": "Num_obs_grp", "group_sd": "Btwn_grp_sigma"}
COLUMNS = ["Model", *CONDITIONS.values(), "Coef_abs_err", "SE_sum", "T_sum", "Fit_success", "Sim"]


def seed_post(estimates: pd.DataFrame, fits: pd.DataFrame, constants: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The 2019 study's table.

    Args:
        estimates, fits: the tables of a run.
        constants: conditions that the grid did not vary, such as ``{"n_obs": 25}``.

    Returns:
        One row a fit: ``Model, Num_grp, Num_obs_grp, Btwn_grp_sigma`` (a standard deviation), ``Coef_abs_err`` (sum over the
        coefficients of ``|estimate - truth|``), ``SE_sum``, ``T_sum`` (sum of ``|t|``), ``Fit_success`` (lme4's "no warning":
        converged and not singular) and ``Sim`` (the replicate). The sums of a fit that failed are NaN.

    Raises:
        InputError: if the tables and ``constants`` lack one of the three conditions.
    """
    require(estimates, ["cell", "replicate", "model", "truth", "estimate", "std_error", "statistic", "status"], "estimates")
    require(fits, ["cell", "replicate", "model", "status", "converged", "singular"], "fits")
    key = ["cell", "replicate", "model"]
    parts = estimates[key].assign(
        Coef_abs_err=(estimates["estimate"] - estimates["truth"]).abs(),
        SE_sum=estimates["std_error"],
        T_sum=estimates["statistic"].abs(),
    )
    # Only fits that are answers have sums; one that stopped early has numbers, but they are not its strategy's.
    sums = parts[is_usable(estimates)].groupby(key, observed=True, sort=False).sum().reset_index()
    table = fits.assign(Fit_success=is_success(fits)).merge(sums, on=key, how="left")
    for name in CONDITIONS:
        if name not in table:
            if name not in (constants or {}):
                raise InputError(f"the study has no condition {name!r}; the post's table needs {', '.join(CONDITIONS)}.")
            table[name] = [(constants or {})[name]] * len(table)
    names = {"model": "Model", "replicate": "Sim", **CONDITIONS}
    return table.rename(columns=names)[COLUMNS]
