"""One dataset of a study analysed again, with the random numbers that the study used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxsim.errors import InputError, NotSupportedError, brief, whole_number
from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes
from jaxsim.estimators.notation import formula_text
from jaxsim.formula.coding import REFUSING
from jaxsim.frames.bayes_result import BayesResult
from jaxsim.frames.hierarchical import sampled
from jaxsim.frames.mixed_model import prepare
from jaxsim.seeding import Stream, replicate_key, stream_key
from jaxsim.study.study import Study


def posterior(study: Study, cell: int | Mapping[str, Any], replicate: int, label: str | None) -> BayesResult:
    """The posterior of one dataset of a study, sampled again with the random numbers that the study used.

    Raises:
        InputError: if the study has no Bayesian strategy of that name, or several and no name was given.
        NotSupportedError: for a strategy with several grouping factors.
    """
    known = {e.name: e for e in study.estimators if isinstance(e, HierarchicalBayes)}
    if label not in known and not (label is None and len(known) == 1):
        have = ", ".join(known) or "none"
        raise InputError(f"model={brief(label)}: give the label of one of the study's Bayesian strategies; it has {have}.")
    strategy = known[label] if label is not None else next(iter(known.values()))
    found, names = study.find(cell), study.names
    effects = strategy.random_effects(names)
    if len(effects) > 1:
        several = ", ".join(one.factor for one in effects)
        raise NotSupportedError(
            f"model {strategy.name!r} has several grouping factors ({several}), and whole posteriors are those of models with one. "
            "results.estimates and results.fits have its means, SDs, medians and limits; a strategy with one factor has random "
            f"effects such as (1 | {effects[0].factor}) alone."
        )
    text = formula_text(strategy.response(names), strategy.coefficients(names), effects)
    mixed = prepare(text, study.dataset(cell, replicate), REFUSING)
    number = whole_number("replicate", replicate, 0, 2**32 - 1)
    key = stream_key(replicate_key(study.seed, found.words, number), Stream.ANALYSIS)
    return sampled(mixed, strategy.priors, key, strategy.method, strategy.interval, study.conf_level)
