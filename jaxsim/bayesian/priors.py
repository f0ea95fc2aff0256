"""Priors of every parameter of a model, and the named sets of them."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.bayesian.prior import Prior, distributions, finite, prior
from jaxsim.errors import InputError, choose

Array = jax.Array


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
            value = finite("Decov", name, getattr(self, name))
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


# In units of the data: rstanarm's scale for coefficients, brms' distribution of standard deviations.
_WIDE = Prior("Normal", (("loc", 0.0), ("scale", 2.5)))
_HALF_T = Prior("StudentT", (("df", 3.0), ("loc", 0.0), ("scale", 2.5)))


@dataclass(frozen=True)
class Priors:
    """Priors of every parameter.

    Args:
        intercept: of the intercept at the predictors' means (or at zero, see ``centre``).
        coefficients: of every other fixed effect (one for all, or a tuple with one for each). Normal and flat priors are fastest:
            fixed effects are then integrated out. With any other distribution they are sampled with the rest.
        sd: of each group SD (one for all, or a tuple with one for each random-effects column), or :class:`Decov`.
        correlation: LKJ concentration of the group effects' correlations; 1 is uniform over correlation matrices.
        sigma: of the residual SD.
        centre: whether ``intercept`` is about the expected response at the predictors' means, as in rstanarm and brms.

    Raises:
        InputError: for something that is no prior.
    """

    intercept: Prior = _WIDE
    coefficients: Prior | tuple[Prior, ...] = _WIDE
    sd: Prior | Decov | tuple[Prior, ...] = _HALF_T
    correlation: float = 1.0
    sigma: Prior = _HALF_T
    centre: bool = True

    def __post_init__(self) -> None:
        for name in ("intercept", "coefficients", "sd", "sigma"):
            given = getattr(self, name)
            if not isinstance(given, Decov):
                many = name in ("coefficients", "sd") and isinstance(given, list | tuple)
                object.__setattr__(self, name, tuple(prior(p) for p in given) if many else prior(given))
        value = finite("LKJ", "correlation", self.correlation)
        if value <= 0:
            raise InputError(f"correlation={value}: the LKJ concentration must be positive; 1 is uniform.")
        object.__setattr__(self, "correlation", value)

    def of_sds(self, size: int) -> tuple[Prior, ...]:
        """The prior of each of ``size`` group SDs; not for :class:`Decov`.

        Raises:
            InputError: if a tuple of another length was given.
        """
        assert not isinstance(self.sd, Decov)
        return _each("sd", self.sd, size, "random-effects columns")

    def of_coefficients(self, size: int) -> tuple[Prior, ...]:
        """The prior of each of ``size`` fixed effects besides the intercept.

        Raises:
            InputError: if a tuple of another length was given.
        """
        return _each("coefficients", self.coefficients, size, "fixed effects besides the intercept")

    @property
    def of_fixed_effects(self) -> tuple[Prior, ...]:
        """Every prior of a fixed effect that was given."""
        return (self.intercept, *(self.coefficients if isinstance(self.coefficients, tuple) else (self.coefficients,)))

    @property
    def of_scales(self) -> tuple[Prior, ...]:
        """Every prior of a standard deviation that was given, but for :class:`Decov`."""
        if isinstance(self.sd, Decov):
            return (self.sigma,)
        return (*(self.sd if isinstance(self.sd, tuple) else (self.sd,)), self.sigma)

    @property
    def improper(self) -> bool:
        """Whether any prior is flat, so that there is no marginal likelihood."""
        return any(p.flat for p in (*self.of_fixed_effects, *self.of_scales))

    @property
    def proper_sds(self) -> bool:
        """Whether no group SD has a flat prior."""
        return isinstance(self.sd, Decov) or not any(p.flat for p in self.of_scales[:-1])

    @property
    def fewest_groups(self) -> int:
        """Groups of a factor that there must be: a flat prior of a group SD has a proper posterior with three or more
        (Gelman 2006)."""
        return 2 if self.proper_sds else 3

    def check(self) -> None:
        """Raise :class:`InputError` for a prior that cannot be used, before anything is compiled."""
        for one in self.of_fixed_effects:
            if not one.flat:
                one.of_coefficient()
        for one in self.of_scales:
            if not one.flat:
                one.positive()


def _each(name: str, given: Prior | tuple[Prior, ...], size: int, what: str) -> tuple[Prior, ...]:
    if not isinstance(given, tuple):
        return (given,) * size
    if len(given) != size:
        raise InputError(f"{name} names {len(given)} priors for {size} {what}; give one, or one for each.")
    return given


_FLAT = Prior("Flat")
_HALF = (("scale", 0.5),)
NAMED: dict[str, Priors] = {
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
