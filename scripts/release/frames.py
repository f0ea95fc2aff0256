"""Tables of polars as data."""

import numpy as np
import polars as pl

import jaxsim

if __name__ == "__main__":
    g = np.repeat(np.arange(8), 6)
    x = np.tile(np.arange(6), 8)
    data = pl.DataFrame({"g": g, "x": x, "y": x + g % 3 + np.random.default_rng(1).normal(size=48)})
    assert jaxsim.lmer("y ~ x + (1 | g)", data).status == "ok"
    assert np.allclose(jaxsim.ols("y ~ x", data).beta, jaxsim.ols("y ~ x", data.to_pandas()).beta)
