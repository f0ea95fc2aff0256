"""Simulation-based calibration: does the engine draw from the posterior that its priors and the data have?

If parameters are drawn from the prior and data from the parameters, the rank of a parameter among draws from its posterior is
uniform (Talts, Betancourt, Simpson, Vehtari & Gelman 2018). The likelihood, a quantity of parameters and data together, finds
errors that the parameters alone do not (Modrak et al. 2023). What is checked is averaged over the prior: it says nothing about
coverage at one truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.bayesian import engine, parameters
from jaxsim.bayesian.attempts import explore_part
from jaxsim.bayesian.density import conditional, log_likelihood
from jaxsim.bayesian.parameters import Hyper
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Priors, named
from jaxsim.bayesian.problem import Model, Problem
from jaxsim.bayesian.queue import PART
from jaxsim.bayesian.simulation import Sizes, check_generative, draw_data, draw_truth, reduced
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.names import GROUP, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, whole_number
from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes
from jaxsim.numerics import small
from jaxsim.status import Status

Array = jax.Array

# Draws that a truth is ranked among: of 400 or more independent ones, so that it hardly matters which sample they come from.
RANKED = 99
LIKELIHOOD = "log_likelihood"
# Of intervals, which a calibration does not look at.
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Calibration:
    """What came out, a row a dataset.

    Attributes:
        ranks: of the truth among ``RANKED`` draws, 0 .. RANKED, a column for each parameter and the log likelihood.
        z: (posterior mean - truth) / posterior SD.
        contraction: 1 - posterior variance / prior variance (the variance of the truths).
        status: labels; datasets whose posterior was not sampled reliably are kept, and counted here.
    """

    ranks: pd.DataFrame
    z: pd.DataFrame
    contraction: pd.DataFrame
    status: pd.Series

    def table(self, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
        """``quantity, p_value, inside``: the smallest pointwise p value of the ranks' distribution function and whether the whole
        of it lies inside simultaneous bands of this level (Sailynoja, Buerkner & Vehtari 2022)."""
        limit = pointwise_level(len(self.ranks), RANKED, level, seed)
        found = {name: smallest_p(self.ranks[name].to_numpy(), RANKED) for name in self.ranks}
        return pd.DataFrame(
            {"quantity": list(found), "p_value": list(found.values()), "inside": [p >= limit for p in found.values()]}
        )


def smallest_p(ranks: np.ndarray, draws: int) -> float:
    """Smallest two-sided binomial p value over the distribution function of uniform ranks ``0 .. draws``."""
    from scipy import stats  # noqa: PLC0415 - slow to import

    count = len(ranks)
    below = np.searchsorted(np.sort(ranks), np.arange(draws), side="right")  # how many are <= k
    chance = np.arange(1, draws + 1) / (draws + 1)
    low, high = stats.binom.cdf(below, count, chance), stats.binom.sf(below - 1, count, chance)
    return float(np.minimum(1.0, 2 * np.minimum(low, high)).min())


def pointwise_level(count: int, draws: int, level: float, seed: int = 0, simulations: int = 1000) -> float:
    """The smallest p value that uniform ranks stay above with probability ``level``, by simulation."""
    rng = np.random.default_rng(seed)
    found = [smallest_p(rng.integers(0, draws + 1, count), draws) for _ in range(simulations)]
    return float(np.quantile(found, 1 - level))


def bands(count: int, draws: int, level: float = 0.95, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places in [0, 1] and simultaneous lower and upper limits of (distribution function of the ranks - that of uniform ones)."""
    from scipy import stats  # noqa: PLC0415 - slow to import

    p = pointwise_level(count, draws, level, seed)
    at = np.arange(1, draws + 1) / (draws + 1)
    return at, stats.binom.ppf(p / 2, count, at) / count - at, stats.binom.ppf(1 - p / 2, count, at) / count - at


def sbc(
    strategy: HierarchicalBayes,
    n_datasets: int = 1000,
    n_groups: int | Mapping[str, int] = 8,
    n_obs: int = 6,
    n_predictors: int = 1,
    seed: int = 0,
    simulator: Priors | None = None,
) -> Calibration:
    """Draw parameters from the priors, data from them, and rank the parameters among draws of their posterior, many datasets at
    once.

    Args:
        strategy: what is calibrated. Its priors must be proper and stated in the units of the data (``autoscale=False``,
            ``centre=False``), because the truth is drawn before there are data.
        n_datasets, n_groups, n_obs, n_predictors: sizes; predictors are standard normal. With several grouping factors the groups
            of each, such as ``{"subject": 6, "item": 5}``, and ``n_obs`` rows of each combination.
        seed: of everything.
        simulator: priors that the truth is drawn from, when they are to differ from the strategy's (to see whether that is found).

    Raises:
        InputError: for priors that nothing can be drawn from, or sizes that are no whole numbers.
    """
    terms = ("Intercept", *(f"IV{j}" for j in range(1, whole_number("n_predictors", n_predictors, 0) + 1)))
    counts = groups_given(n_groups)
    names = Names(terms, factors=tuple(counts))
    strategy.check(names)
    if strategy.method == "auto":
        raise InputError("sbc calibrates one path at a time: give a strategy with method='fast' or method='nuts'.")
    effects = strategy.random_effects(names)
    by = tuple(one.factor for one in effects)
    sizes = Sizes(tuple(counts), tuple(counts.values()), whole_number("n_obs", n_obs, 1), terms, by)
    truth_from = simulator or named(strategy.priors)
    for priors in (truth_from, named(strategy.priors)):
        check_generative(priors)
    distributions()
    model = strategy.model(strategy.view(reduced(jnp.zeros((math.prod(sizes.counts), sizes.rows, len(terms) + 1)), sizes)))
    parts = -(-whole_number("n_datasets", n_datasets, 1) // PART)
    keys = jax.random.split(jax.random.key(seed, impl="threefry2x32"), parts * PART)
    streams = jax.vmap(lambda key: jax.random.split(key, 4))(keys).reshape(parts, PART, 4)
    how = (model, strategy, truth_from, sizes)
    made = [jax.device_get(_part(model, strategy.method, own, _drawn(how, own))) for own in streams]
    truth, rank, mean, sd, status = (np.concatenate([part[i] for part in made])[:n_datasets] for i in range(5))
    every = [*terms, *quantities_of(effects, model), LIKELIHOOD]
    some = every[:-1]
    return Calibration(
        ranks=pd.DataFrame(rank, columns=every),
        z=pd.DataFrame((mean - truth) / sd, columns=every)[some],
        contraction=pd.DataFrame(1 - sd**2 / truth.var(0), columns=every)[some],
        status=pd.Series([Status(int(code)).label for code in status], name="status"),
    )


def groups_given(given: object) -> dict[str, int]:
    """The groups of each factor; :class:`InputError` for anything else than numbers of at least two."""
    if not isinstance(given, Mapping):
        return {GROUP: whole_number("n_groups", given, 1)}
    if not given:
        raise InputError("n_groups={}: give a number, or one for each grouping factor, such as {'subject': 6, 'item': 5}.")
    return {str(name): whole_number(f"n_groups[{name!r}]", count, 1) for name, count in given.items()}


def quantities_of(effects: tuple[RandomEffects, ...], model: Model) -> tuple[str, ...]:
    """Names of SDs, correlations and the residual SD; with the factor in them where there are several."""
    if len(effects) == 1:
        return parameters.names(model.structure, effects[0].columns)
    own = [(one.factor, name) for one in effects for name in one.columns]
    correlations = (f"cor_{own[j][0]}_{own[j][1]}_{own[i][1]}" for i, j in parameters.pairs(model.structure))
    return (*(f"sd_{factor}_{name}" for factor, name in own), *correlations, "sigma")


@partial(jax.jit, static_argnums=0)
def _drawn(how: tuple[Model, HierarchicalBayes, Priors, Sizes], streams: Array) -> tuple[Array, Hyper, CrossProducts]:
    """Truths and data of one part, as the strategy reads them."""
    model, strategy, truth_from, sizes = how
    beta, hyper = jax.vmap(lambda key: draw_truth(key, model, truth_from))(streams[:, 0])
    data = jax.vmap(lambda key, b, h: strategy.view(draw_data(key, b, h, model, sizes)))(streams[:, 1], beta, hyper)
    return beta, hyper, data


@partial(jax.jit, static_argnums=(0, 1))
def _part(model: Model, kind: str, streams: Array, drawn: tuple[Array, Hyper, CrossProducts]) -> tuple[Array, ...]:
    """Truths, ranks, posterior means and SDs ``[PART, K]`` and status of one part."""
    beta, hyper, data = drawn
    method = engine.Method(model, "equal-tailed")
    found, explored = explore_part(kind, method, data, streams[:, 2], LEVEL)
    problem = engine.lanes(data, model)[0]
    truth = jax.vmap(lambda p, b, h: of_truth(p, b, h, model))(problem, beta, hyper)
    compare = partial(compared, model=model)
    inputs = (streams[:, 3], problem, explored, truth)
    axes: Any = engine.Explored(*(0, 1, engine.Conditional(*(1, 2, 0))))  # type: ignore[arg-type]
    rank, mean, sd = jax.vmap(compare, in_axes=(0, 0, axes, 0))(*inputs)
    status = jnp.where((found.status == Status.OK) & ~found.reliable, Status.NOT_CONVERGED, found.status)
    return truth, rank, mean, sd, status


def of_truth(problem: Problem, beta: Array, hyper: Hyper, model: Model) -> Array:
    """Everything that is ranked, at the truth: parameters in the units of the data, log likelihood, ``[K]``."""
    unit = problem.response_unit / problem.column_unit[jnp.array(model.random)]
    correlation = (hyper.root @ hyper.root.T) * jnp.outer(jnp.sign(unit), jnp.sign(unit))
    root, _ = small.cholesky(correlation)
    own = Hyper((hyper.sd / jnp.abs(unit))[:, None], root[..., None], (hyper.sigma / problem.response_unit)[None])
    lanes = problem.each(lambda leaf: leaf[..., None])
    sums = model.sums(lanes, own.factor)
    if model.other:
        at = (beta - problem.shift) * problem.column_unit[jnp.array(model.fixed)] / problem.response_unit
        likelihood = log_likelihood(lanes, sums, at[:, None], own.sigma, model)
    else:
        likelihood = conditional(lanes, sums, own.sigma, model).log_likelihood
    lane = Hyper(hyper.sd[:, None], hyper.root[..., None], hyper.sigma[None])
    return jnp.concatenate([beta, parameters.reported(lane, model.structure)[:, 0], likelihood])


def compared(key: Array, problem: Problem, explored: engine.Explored, truth: Array, model: Model) -> tuple[Array, Array, Array]:
    """Ranks of the truth among independent draws, and posterior means and SDs, ``[K]`` each."""
    place = jax.random.categorical(key, jnp.log(explored.weight), shape=(RANKED,))
    x, z = jnp.array(model.fixed), jnp.array(model.random)
    unit = problem.response_unit / problem.column_unit
    noise = jax.random.normal(jax.random.fold_in(key, 1), (len(model.fixed), RANKED))

    def quantities(at: Array, noise: Array) -> Array:
        """What is ranked, at one draw."""
        vector = explored.vector[:, at]
        mean, root = explored.given.mean[:, at], explored.given.root[:, :, at]
        beta = problem.shift[:, None] + unit[x][:, None] * (mean + (root * noise[None]).sum(1))
        hyper = parameters.unpack(vector, model.structure)
        sign = jnp.sign(unit[z])
        natural = Hyper(hyper.sd * jnp.abs(unit[z])[:, None], sign[:, None, None] * hyper.root, hyper.sigma * problem.response_unit)
        reported = parameters.reported(natural, model.structure)
        return jnp.concatenate([beta, reported, explored.given.log_likelihood[at][None]])

    draws = quantities(place, noise)
    every = jnp.arange(explored.weight.shape[0])
    all_noise = jax.random.normal(jax.random.fold_in(key, 2), (len(model.fixed), len(every)))
    values = quantities(every, all_noise)
    mean = (explored.weight * values).sum(1)
    variance = (explored.weight * (values - mean[:, None]) ** 2).sum(1)
    return (draws < truth[:, None]).sum(1), mean, jnp.sqrt(variance)
