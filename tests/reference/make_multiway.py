"""What pyfixest says of multi-way clustered least squares of made-up rows, into multiway.json.

pip install pyfixest && python make_multiway.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest


def made() -> pd.DataFrame:
    """Rows of 9 subjects and 7 items, some pairs twice and some never; no random numbers, so the same everywhere."""
    place = np.arange(80)
    subject, item = place * 7 % 9, (place * place + place // 3) % 7
    x, z = np.sin(1.7 * place) + 0.2 * subject, item % 2 - 0.5
    y = 1 + 0.5 * x - 0.3 * z + np.sin(subject * 2.3) + (0.5 + x) * np.cos(item * 1.1) + np.cos(3.1 * place + 0.4)
    return pd.DataFrame({"subject": subject, "item": item, "y": y, "x": x, "z": z})


def main() -> None:
    data, found = made(), {}
    for cluster in (["subject", "item"], ["item", "subject"]):
        entry = {"cluster": cluster}
        for groups, df in {"each": "conventional", "min": "min"}.items():
            ssc = pyfixest.ssc(k_adj=True, G_adj=True, G_df=df)
            table = pyfixest.feols("y ~ x + z", data, vcov={"CRV1": "+".join(cluster)}, ssc=ssc).tidy()
            entry[groups] = {"estimate": list(table["Estimate"]), "std_error": list(table["Std. Error"])}
        found[" and ".join(cluster)] = entry
    text = {"versions": {"pyfixest": pyfixest.__version__}, "data": data.to_dict("list"), "results": found}
    Path(__file__).with_name("multiway.json").write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__":
    main()
