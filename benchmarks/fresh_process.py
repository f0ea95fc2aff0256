"""What a person waits for who has just started Python: `python fresh_process.py FIRST` prints seconds as JSON.

`first_fits.py` starts it. FIRST is the kind of model that is fitted first: intercepts, slopes or maximal. Nothing is imported
before the clocks start but what Python starts with.
"""

import json
import sys
import time
import warnings

# Formulas of the three kinds, and of the kind that is fitted after each.
FORMULAS = {
    "intercepts": "y ~ x1 + (1 | g)",
    "slopes": "y ~ x1 + (1 + x1 | g)",
    "maximal": "y ~ x1 + x2 + x3 + (1 + x1 + x2 + x3 | g)",
}
NEXT = {"intercepts": "slopes", "slopes": "maximal", "maximal": "intercepts"}
SIZE, OTHER_SIZE = (30, 10), (55, 12)


def frame(groups, rows, seed):
    """A data set with that many groups of that many rows."""
    import numpy as np  # noqa: PLC0415 - counted
    import pandas as pd  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), rows)
    x = rng.normal(size=(groups * rows, 3))
    own = rng.normal(size=(groups, 4))[codes]
    y = x @ [0.5, 0.2, 0.0] + own[:, 0] + (own[:, 1:] * x).sum(1) / 2 + rng.normal(size=len(x))
    return pd.DataFrame({"y": y, "g": codes, "x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2]})


def steps(first):
    """``(name, what is done)``, one after the other, in this process."""
    import jaxsim  # noqa: PLC0415

    data, others = frame(*SIZE, 1), frame(*OTHER_SIZE, 2)
    one, two = FORMULAS[first], FORMULAS[NEXT[first]]
    kept = {}

    def keep(name, fit):
        kept[name] = fit
        assert fit.status in ("ok", "singular"), fit.status

    def wider(formula):
        return formula.replace("~ x1 ", "~ x1 * x2 * x3 ", 1)

    yield "first fit", lambda: keep("one", jaxsim.lmer(one, data))
    yield "the same again", lambda: keep("one", jaxsim.lmer(one, data))
    yield "another model", lambda: keep("two", jaxsim.lmer(two, data))
    yield "other rows and groups", lambda: keep("other", jaxsim.lmer(one, others))
    yield "other fixed effects", lambda: keep("wider", jaxsim.lmer(wider(one), data))
    yield "Kenward-Roger", lambda: keep("adjusted", jaxsim.lmer(one, data, df="kenward-roger"))
    yield "anova of two models", lambda: jaxsim.anova(kept["one"], kept["wider"])
    yield "prediction intervals", lambda: kept["one"].predict(others, interval="prediction", level="population")
    yield "lm", lambda: keep("lm", jaxsim.lm("y ~ x1", data, cluster="g"))
    yield "lm, CR2, other columns", lambda: keep("lm", jaxsim.lm("y ~ x1 * x2", others, cluster="g", vcov="CR2"))
    yield "lm2", lambda: keep("lm2", jaxsim.lm2("y ~ x1", data, group="g"))
    yield "ols", lambda: keep("ols", jaxsim.ols("y ~ x1 * x2", data))
    yield "bootstrap, 100 refits", lambda: kept["one"].bootstrap(100)


def main():
    """Do what is to be done, print how long it took."""
    warnings.simplefilter("ignore")
    found = {}

    def lap(name, action):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        found[name] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    def imports():
        import pandas  # noqa: PLC0415, F401

        import jaxsim  # noqa: PLC0415

        _ = jaxsim.lmer

    lap("imports", imports)
    for name, action in steps(sys.argv[1]):
        lap(name, action)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
