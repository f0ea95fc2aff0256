"""Single fits by a package of Python, and fits of further responses: `python single_fits.py < TASK` prints JSON.

`against_native.py` starts it in the environment of the package. The task is ``{"package": .., "formula": .., "fixed": ..,
"random": .., "group": .., "response": .., "columns": {..}, "responses": [[..], ..], "again": ..}``. CPU seconds are of this process
with all its threads; the criterion is the REML deviance, with lme4's constant.
"""

import json
import math
import statistics
import sys
import time
import warnings
from importlib.metadata import version

# CPU seconds after which no further fit begins.
LONGEST = 15.0


def lme_python(task):
    """A first fit, and fits of other responses that reuse its matrices."""
    import lme_python as package  # noqa: PLC0415 - one package is there
    import polars  # noqa: PLC0415

    frame = polars.DataFrame(task["columns"])
    prepared = None

    def again(y):
        nonlocal prepared
        prepared = prepared or package.prepare_lmer(task["formula"], frame)
        return prepared.fit(y=y, reml=True).reml_criterion

    return version("lme-python"), lambda: package.lmer(task["formula"], frame).reml_criterion, again


def mixedlm(task):
    """A first fit, and its ``refit``."""
    import mixedlm as package  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    frame, kept = pd.DataFrame(task["columns"]), []

    def first():
        kept[:] = [package.lmer(task["formula"], frame)]
        return package.REMLcrit(kept[0])

    return version("mixedlm"), first, lambda y: package.REMLcrit(kept[0].refit(np.asarray(y)))


def interlace(task):
    """A first fit; others are fitted from the start, for there is no refit."""
    import interlace as package  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame(task["columns"])
    random = [f"({task['random']} | {task['group']})"]

    def fit(y=None):
        data = frame if y is None else frame.assign(**{task["response"]: y})
        return -2 * package.fit(f"{task['response']} ~ {task['fixed']}", data, random=random).llf

    return version("interlace-lme"), fit, fit


def statsmodels(task):
    """A first fit; others are fitted from the start, for there is no refit."""
    import pandas as pd  # noqa: PLC0415
    from statsmodels.formula.api import mixedlm as fit_by_formula  # noqa: PLC0415

    frame = pd.DataFrame(task["columns"])

    def fit(y=None):
        data = frame if y is None else frame.assign(**{task["response"]: y})
        given = dict(groups=task["group"], re_formula=f"~ {task['random']}")
        return -2 * fit_by_formula(f"{task['response']} ~ {task['fixed']}", data, **given).fit(reml=True).llf

    return version("statsmodels"), fit, fit


def jaxsim(task):
    """A first fit; others are calls of ``lmer`` too, one at a time."""
    import pandas as pd  # noqa: PLC0415

    import jaxsim as package  # noqa: PLC0415

    frame = pd.DataFrame(task["columns"])

    def fit(y=None):
        data = frame if y is None else frame.assign(**{task["response"]: y})
        return float(package.lmer(task["formula"], data).criterion)

    return "", fit, fit


PACKAGES = {"lme-python": lme_python, "mixedlm": mixedlm, "interlace": interlace, "statsmodels": statsmodels, "jaxsim": jaxsim}


def seconds(call, *given):
    """What a call returns, or None where it fails, and its CPU seconds."""
    begin = time.process_time()
    try:
        found = float(call(*given))
    except Exception:  # whatever a package raises for one dataset: no answer
        found = math.nan
    return (found if math.isfinite(found) else None), time.process_time() - begin


def measured(call, arguments):
    """Answers and CPU seconds of some calls, until they have taken their time."""
    found = []
    for given in arguments:
        found.append(seconds(call, *given))
        if sum(taken for _, taken in found) > LONGEST:
            break
    return found


def main():
    """Read the task, fit, print."""
    warnings.simplefilter("ignore")
    task = json.load(sys.stdin)
    number, fit, refit = PACKAGES[task["package"]](task)
    started = time.process_time()
    criterion = float(fit())
    first, since = time.process_time() - started, time.process_time()
    again = statistics.median(taken for _, taken in measured(fit, [()] * task["again"]))
    refits = measured(refit, [(y,) for y in task["responses"]])
    found = {"version": number, "criterion": criterion, "first": first, "since start": since, "again": again}
    print(json.dumps({**found, "criteria": [c for c, _ in refits], "refits": [s for _, s in refits]}))


if __name__ == "__main__":
    main()
