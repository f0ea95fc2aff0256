"""That a stored fit is the fit of the rows that its dataset is told to have."""

import numpy as np

from jaxsim import LinearMixed, Study, lmer


def assert_fitted_from_rows(study: Study, out) -> None:
    """Of a study of one cell and one mixed model with a formula: its fits are those of ``study.dataset`` by ``jaxsim.lmer``."""
    (strategy,) = study.estimators
    assert isinstance(strategy, LinearMixed)
    stored = study.run(out, progress=False).read("estimates")
    for replicate in range(study.replicates):
        own = stored[stored["replicate"] == replicate].set_index("term")
        table = lmer(strategy.formula, study.dataset(0, replicate)).table.set_index("term").rename({"(Intercept)": "Intercept"})
        for column in ("estimate", "std_error"):
            # 1e-9: two optimisers that end with Newton steps on the same cross-products; what differs is rounding (at most 6e-12 of
            # a standard error was seen, of rows that were made from cross-products).
            np.testing.assert_allclose(own[column], table[column].loc[own.index], rtol=1e-9, atol=1e-9)
