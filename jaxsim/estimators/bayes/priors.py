"""Prior distributions: what is believed before the data, as values that can be compared, stored and printed.

A prior names a distribution of NumPyro. With ``autoscale`` (as in rstanarm) it is stated in units of the data: coefficients and
standard deviations in units of SD(y) / SD(x), the intercept as the distance from mean(y) in units of SD(y), the residual SD in
units of SD(y). A change of units then changes nothing but the units of the answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxsim.errors import InputError, NotSupportedError, choose

Array = jax.Array

# Distributions of the whole line that NumPyro can cut off at zero: as priors of a standard deviation they are.
FOLDED: tuple[str, ...] = ("Normal", "StudentT", "Cauchy", "Laplace", "Logistic")


def distributions() -> Any:
    """``numpyro.distributions``.

    Raises:
        InputError: if NumPyro is not installed, saying how to install it.
    """
    try:
        import numpyro.distributions as dist  # noqa: PLC0415 - an optional dependency, and its import takes a second
    except ImportError as error:
        raise InputError("Bayesian models need NumPyro, which is not installed: pip install 'jaxsim-studies[bayes]'.") from error
    return dist


@dataclass(frozen=True)
class Prior:
    """A distribution of NumPyro by name, such as ``Prior("Normal", (("loc", 0.0), ("scale", 2.5)))``; :func:`prior` is shorter.

    Args:
        family: a class of ``numpyro.distributions``, or ``Flat``: the improper uniform density.
        parameters: names and numbers.
        autoscale: whether it is stated in units of the data.

    Raises:
        InputError: for parameters that are no finite numbers.
    """

    family: str
    parameters: tuple[tuple[str, float], ...] = ()
    autoscale: bool = True

    def __post_init__(self) -> None:
        pairs = tuple((str(name), _number(self.family, name, value)) for name, value in self.parameters)
        object.__setattr__(self, "parameters", pairs)

    @property
    def flat(self) -> bool:
        """Whether it is the improper uniform density."""
        return self.family == "Flat"

    def distribution(self) -> Any:
        """The NumPyro distribution, in the units of the prior; not for a flat one.

        Raises:
            InputError: if NumPyro has no such distribution or refuses the parameters.
        """
        dist = distributions()
        kind = getattr(dist, self.family, None)
        if kind is None:
            raise InputError(
                f"prior {self.family!r} is no distribution of NumPyro; use one such as Normal, StudentT, HalfNormal, Flat."
            )
        try:
            return kind(**dict(self.parameters), validate_args=True)
        except (TypeError, ValueError) as error:
            raise InputError(f"prior {self}: {error}.") from error

    def positive(self) -> Any:
        """The distribution of a standard deviation: cut off at zero if it extends over the whole line.

        Raises:
            InputError: if it can be neither used nor cut off.
        """
        dist, made = distributions(), self.distribution()
        if made.event_shape or made.batch_shape or made.support.is_discrete:
            raise InputError(f"prior {self} of a standard deviation must be a continuous distribution of one number.")
        if made.support is dist.constraints.positive:
            return made
        if self.family in FOLDED:
            return dist.TruncatedDistribution(made, low=0.0)
        raise InputError(
            f"prior {self} of a standard deviation must live on the positive numbers, such as HalfNormal, Exponential, Gamma, "
            f"LogNormal, or be one of {', '.join(FOLDED)}, which is cut off at zero."
        )

    def moments(self) -> tuple[float, float]:
        """Mean and SD of a normal prior of a coefficient; the SD is infinite for a flat one.

        Raises:
            NotSupportedError: for any other family.
        """
        if self.flat:
            return 0.0, math.inf
        if self.family != "Normal":
            raise NotSupportedError(
                f"prior {self} of a fixed effect: here it must be Normal or Flat, because fixed effects are integrated out. "
                "The NumPyro models of jaxsim.estimators.bayes.model take any prior."
            )
        made = self.distribution()
        return float(made.loc), float(made.scale)

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value:g}" for name, value in self.parameters)
        return f"{self.family}({inside})" + ("" if self.autoscale or self.flat else " in the units of the data as they are")


def _number(family: str, name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"prior {family}: {name}={value!r} must be a number.") from error
    if not math.isfinite(number):
        raise InputError(f"prior {family}: {name}={number} must be finite; for no prior at all use Flat.")
    return number


def prior(family: Any, autoscale: bool = True, **parameters: float) -> Prior:
    """A prior from a name and parameters, ``prior("Normal", loc=0, scale=2.5)``, or from a NumPyro distribution.

    Raises:
        InputError: for a distribution whose parameters are not plain numbers.
    """
    if isinstance(family, Prior):
        return family
    if isinstance(family, str):
        return Prior(family, tuple(parameters.items()), autoscale)
    names = tuple(getattr(type(family), "arg_constraints", ()))
    if not names:
        raise InputError(f"prior {family!r}: give a name of a NumPyro distribution, or one such as dist.Normal(0, 1).")
    values = {name: jnp.asarray(getattr(family, name)) for name in names if getattr(family, name, None) is not None}
    if any(value.ndim for value in values.values()):
        raise InputError(f"prior {type(family).__name__} must be a distribution of one number, with numbers as parameters.")
    return Prior(type(family).__name__, tuple((name, float(value)) for name, value in values.items()), autoscale)


@dataclass(frozen=True)
class Decov:
    """rstanarm's prior of a covariance matrix: its trace is ``Q (tau sigma)^2`` with ``tau ~ Gamma(shape, scale)``, divided over
    the variances by a symmetric Dirichlet distribution (rstanarm, ``priors`` help page).
    ``Priors.correlation`` is its regularisation.

    Raises:
        InputError: unless all are positive.
    """

    concentration: float = 1.0
    shape: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("concentration", "shape", "scale"):
            value = _number("Decov", name, getattr(self, name))
            if value <= 0:
                raise InputError(f"Decov({name}={value}) must be positive.")
            object.__setattr__(self, name, value)

    def log_density(self, sd: Array, sigma: Array) -> Array:
        """Log density of ``log sd`` ``[Q, ...]`` given ``sigma`` ``[...]``; both in the units of the data as they are."""
        dist, q = distributions(), sd.shape[0]
        variances = (sd / sigma) ** 2
        trace = variances.sum(0)
        tau = jnp.sqrt(trace / q)
        shares = jnp.moveaxis(variances / trace, 0, -1)
        value = dist.Gamma(self.shape, 1 / self.scale).log_prob(tau)
        if q > 1:
            value = value + dist.Dirichlet(jnp.full(q, self.concentration)).log_prob(shares)
        # variances = trace x shares, trace = q tau^2, variances = exp(2 log sd) / sigma^2.
        jacobian = -(q - 1) * jnp.log(trace) - jnp.log(2 * q * tau) + (jnp.log(2.0) + jnp.log(variances)).sum(0)
        return value + jacobian


@dataclass(frozen=True)
class Priors:
    """Priors of every parameter.

    Args:
        intercept: of the intercept at the predictors' means (or at zero, see ``centre``): normal or flat.
        coefficients: of every other fixed effect: normal or flat.
        sd: of each group SD (one for all, or a tuple with one for each random-effects column), or :class:`Decov`.
        correlation: LKJ concentration of the group effects' correlations; 1 is uniform over correlation matrices.
        sigma: of the residual SD.
        centre: whether ``intercept`` is about the expected response at the predictors' means, as in rstanarm and brms.

    Raises:
        InputError: for something that is no prior.
    """

    intercept: Prior = Prior("Normal", (("loc", 0.0), ("scale", 2.5)))
    coefficients: Prior = Prior("Normal", (("loc", 0.0), ("scale", 2.5)))
    sd: Prior | Decov | tuple[Prior, ...] = Prior("StudentT", (("df", 3.0), ("loc", 0.0), ("scale", 2.5)))
    correlation: float = 1.0
    sigma: Prior = Prior("StudentT", (("df", 3.0), ("loc", 0.0), ("scale", 2.5)))
    centre: bool = True

    def __post_init__(self) -> None:
        for name in ("intercept", "coefficients", "sigma"):
            object.__setattr__(self, name, prior(getattr(self, name)))
        if not isinstance(self.sd, Decov):
            many = isinstance(self.sd, list | tuple)
            object.__setattr__(self, "sd", tuple(prior(p) for p in self.sd) if many else prior(self.sd))  # type: ignore[union-attr]
        value = _number("LKJ", "correlation", self.correlation)
        if value <= 0:
            raise InputError(f"correlation={value}: the LKJ concentration must be positive; 1 is uniform.")
        object.__setattr__(self, "correlation", value)

    def of_sds(self, size: int) -> tuple[Prior, ...]:
        """The prior of each of ``size`` group SDs; not for :class:`Decov`.

        Raises:
            InputError: if a tuple of another length was given.
        """
        assert not isinstance(self.sd, Decov)
        if not isinstance(self.sd, tuple):
            return (self.sd,) * size
        if len(self.sd) != size:
            raise InputError(f"sd names {len(self.sd)} priors for {size} random-effects columns; give one, or one for each.")
        return self.sd

    @property
    def proper_sds(self) -> bool:
        """Whether no group SD has a flat prior."""
        return isinstance(self.sd, Decov) or not any(p.flat for p in (self.sd if isinstance(self.sd, tuple) else (self.sd,)))

    def check(self) -> None:
        """Raise :class:`InputError` for a prior that cannot be used, before anything is compiled."""
        self.intercept.moments()
        self.coefficients.moments()
        scales = (
            [self.sigma] if isinstance(self.sd, Decov) else [self.sigma, *(self.sd if isinstance(self.sd, tuple) else (self.sd,))]
        )
        for one in scales:
            if not one.flat:
                one.positive()


_FLAT = Prior("Flat")
_HALF = (("scale", 0.5),)
NAMED: dict[str, Priors] = {
    # brms' scales for standard deviations, rstanarm's for coefficients, both in units of the data.
    "weak": Priors(),
    # Uniform densities: of standard deviations, not of their logarithms, for which there is no posterior (Gelman 2006).
    "flat": Priors(_FLAT, _FLAT, _FLAT, 1.0, _FLAT),
    # Effects rarely above one SD of the response, groups rarely further apart than that.
    "informative": Priors(
        Prior("Normal", (("loc", 0.0), ("scale", 1.0))),
        Prior("Normal", (("loc", 0.0), ("scale", 0.5))),
        Prior("HalfNormal", _HALF),
        2.0,
        Prior("HalfNormal", (("scale", 1.0),)),
    ),
    # rstanarm's defaults for stan_lmer.
    "rstanarm": Priors(sd=Decov(), sigma=Prior("Exponential", (("rate", 1.0),))),
}


def named(priors: str | Priors) -> Priors:
    """A set of priors, or that of this name."""
    return priors if isinstance(priors, Priors) else NAMED[choose("priors", priors, NAMED)]
