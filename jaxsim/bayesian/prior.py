"""A prior distribution: what is believed of one parameter before the data, as a value that can be compared, stored and printed.

A prior names a distribution of NumPyro. With ``autoscale`` (as in rstanarm) it is stated in units of the data: coefficients and
standard deviations in units of SD(y) / SD(x), the intercept as the distance from mean(y) in units of SD(y), the residual SD in
units of SD(y). A change of units then changes nothing but the units of the answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxsim.errors import InputError, brief

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


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple | list) and len(given) == 2


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
        given = self.parameters
        if not isinstance(self.family, str) or not isinstance(given, tuple | list) or not all(map(_is_pair, given)):
            raise InputError(
                f"Prior({brief(self.family)}, {brief(given)}): give a name and pairs, such as Prior('Normal', (('loc', 0.0), "
                "('scale', 2.5)))."
            )
        pairs = tuple((str(name), finite(self.family, name, value)) for name, value in self.parameters)
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

    @property
    def normal(self) -> bool:
        """Whether it is normal or flat, so that a fixed effect with it can be integrated out."""
        return self.family in ("Normal", "Flat")

    def moments(self) -> tuple[float, float]:
        """Mean and SD of a normal prior; the SD is infinite for a flat one."""
        assert self.normal
        if self.flat:
            return 0.0, math.inf
        made = self.distribution()
        return float(made.loc), float(made.scale)

    def of_coefficient(self) -> Any:
        """The distribution of a fixed effect; not for a flat one.

        Raises:
            InputError: if it is not a continuous distribution of one number.
        """
        made = self.distribution()
        if made.event_shape or made.batch_shape or made.support.is_discrete:
            raise InputError(f"prior {self} of a fixed effect must be a continuous distribution of one number.")
        return made

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value:g}" for name, value in self.parameters)
        return f"{self.family}({inside})" + ("" if self.autoscale or self.flat else " in the units of the data as they are")


def finite(family: str, name: str, value: object) -> float:
    """A parameter of a prior as a number.

    Raises:
        InputError: for anything that is no finite number.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"prior {family}: {name}={brief(value)} must be a number.") from error
    if not math.isfinite(number):
        raise InputError(f"prior {family}: {name}={number} must be finite; for no prior at all use Flat.")
    return number


def prior(family: Any, autoscale: bool = True, **parameters: float) -> Prior:
    """A prior from a name and parameters, ``prior("Normal", loc=0, scale=2.5)``, or from a NumPyro distribution.

    Raises:
        InputError: for a distribution whose parameters are not plain numbers, or that is made of another one.
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
    made = Prior(type(family).__name__, tuple((name, float(value)) for name, value in values.items()), autoscale)
    try:
        made.distribution()
    except InputError as error:
        raise InputError(
            f"prior {made.family} is made of another distribution: give it by name and numbers, such as "
            "prior('TruncatedNormal', loc=0, scale=1, low=0)."
        ) from error
    return made
