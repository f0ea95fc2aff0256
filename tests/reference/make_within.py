"""What pyfixest says of within regressions of the rows that ``tests/test_within_regression.py`` makes, into within.json.

pip install pyfixest && python make_within.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest

SIZES = [3, 7, 14, 5, 2, 9, 6, 18, 11, 5]


def made() -> pd.DataFrame:
    """Rows without random numbers, so that they are the same everywhere."""
    group = np.repeat(np.arange(len(SIZES)), SIZES)
    place = np.arange(len(group), dtype=float)
    x, z = np.sin(1.7 * place) + 0.2 * group, np.cos(place * place / 7.0)
    y = 1.0 + 0.5 * x - 0.3 * z + np.sin(group * 2.3) + (0.5 + 0.1 * group) * np.cos(3.1 * place + 0.4)
    return pd.DataFrame({"Group": group, "y": y, "x": x, "z": z})


def main() -> None:
    data, found = made(), {}
    for name, vcov in {"CR1S": {"CRV1": "Group"}, "iid": "iid"}.items():
        table = pyfixest.feols("y ~ x + z | Group", data, vcov=vcov).tidy()
        found[name] = {
            "estimate": list(table["Estimate"]), "std_error": list(table["Std. Error"]), "p_value": list(table["Pr(>|t|)"]),
        }  # fmt: skip
    text = json.dumps({"versions": {"pyfixest": pyfixest.__version__}, "results": found}, indent=1)
    Path(__file__).with_name("within.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
