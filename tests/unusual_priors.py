"""Priors of fixed effects that are neither normal nor flat, by the names under which their posteriors are stored."""

from jaxsim import Priors, prior

UNUSUAL = {
    # Heavy tails and a peak that pulls: the intercept as in brms, slopes as in the Bayesian lasso.
    "heavy": Priors(
        intercept=prior("StudentT", df=3.0, loc=0.0, scale=2.5),
        coefficients=prior("Laplace", loc=0.0, scale=0.1),
        sd=prior("HalfNormal", scale=0.5),
    ),
    # Slopes that must be positive, an intercept in the units of the data, both against what the data say.
    "bounded": Priors(
        intercept=prior("Uniform", autoscale=False, low=-0.5, high=0.5),
        coefficients=prior("HalfNormal", autoscale=False, scale=0.3),
        sd=prior("HalfNormal", scale=0.5),
        centre=False,
    ),
    # One for each slope: normal, bounded on both sides, and from above.
    "each": Priors(
        coefficients=(
            prior("Normal", loc=0.0, scale=0.2),
            prior("Uniform", autoscale=False, low=-1.0, high=0.2),
            prior("TruncatedNormal", loc=0.0, scale=1.0, high=0.1),
        ),
    ),
}

# The simulated dataset (tests/reference/make_bayes.py) that each is stored for.
UNUSUAL_DATA = {"heavy": "few", "bounded": "few", "each": "many_coefficients"}
