"""A study as the JSON text that lies with its results, and back, with or without the code of a user's own parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from jaxsim.bayesian.prior import Prior
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.errors import InputError
from jaxsim.estimators import CATALOGUE as ESTIMATORS
from jaxsim.measures.own import OwnMeasure
from jaxsim.processes import CATALOGUE as PROCESSES
from jaxsim.processes.distributions import LogNormalSizes, Normal, PoissonSizes, Uniform, UniformSizes
from jaxsim.scores import CATALOGUE as SCORES
from jaxsim.study import registry, saved
from jaxsim.study.absent import (
    AbsentMeasure,
    AbsentProcess,
    AbsentScore,
    AbsentStrategy,
    process_as_facts,
    strategy_as_facts,
)
from jaxsim.study.grid import Grid
from jaxsim.study.outline import Outline
from jaxsim.study.until import Until

CATALOGUE: dict[str, type] = {
    **PROCESSES,
    **ESTIMATORS,
    **SCORES,
    **{
        k.__name__: k
        for k in (Uniform, Normal, UniformSizes, PoissonSizes, LogNormalSizes, Prior, Priors, Decov, Until, OwnMeasure)
    },
}
FACTS, LINKS = "facts", "links"


def to_json(study: Outline) -> str:
    """The study as text; what results need to know of its parts without their code stands under ``facts``."""
    fields = {f.name: getattr(study, f.name) for f in dataclasses.fields(study) if f.name != "grid"}
    defaults = {f.name: f.default for f in dataclasses.fields(study)}
    body = {name: registry.encode(value, name) for name, value in fields.items() if value != defaults[name]}
    body["grid"] = [[name, registry.encode(levels, name)] for name, levels in study.grid.factors]
    if study.grid.links is not None:
        body[LINKS] = registry.encode(study.grid.links)
    body[FACTS] = {
        "process": process_as_facts(study.process),
        "estimators": [strategy_as_facts(strategy, study.names) for strategy in study.estimators],
    }
    return json.dumps({registry.TYPE: "Study", **body}, indent=2) + "\n"


def parts(text: str) -> dict[str, Any]:
    """Arguments of the study in such a text; stand-ins for what is not here.

    Raises:
        InputError: for a text that does not describe a study.
        NotHereError: for a text without facts that names something unknown.
    """
    body = saved.read(text)
    body.pop(registry.TYPE)
    facts = body.pop(FACTS, None)
    grid = Grid(tuple((name, _known(levels)) for name, levels in body.pop("grid")))
    if LINKS in body:
        links = body.pop(LINKS)
        numbers = [number for number, _ in links]
        if numbers != sorted({number for number in numbers if 0 <= number < len(grid)}):
            raise InputError(f"a saved study links combinations that its grid of {len(grid)} does not have, or has twice.")
        grid = grid.with_links(_known(links))
    found: dict[str, Any] = {"grid": grid}
    of = facts or {"process": None, "estimators": [None] * len(body["estimators"])}
    found["process"] = _found(body.pop("process"), of["process"], AbsentProcess)
    pairs = zip(body.pop("estimators"), of["estimators"], strict=True)
    found["estimators"] = tuple(_found(one, fact, AbsentStrategy) for one, fact in pairs)
    found["scores"] = tuple(_found(one, {}, AbsentScore) for one in body.pop("scores", ()))
    found["measures"] = tuple(_found(one, {"name": one.get("name")}, AbsentMeasure) for one in body.pop("measures", ()))
    return found | {name: _known(value) for name, value in body.items()}


def _known(description: Any) -> Any:
    return registry.decode(description, CATALOGUE)


def _found(description: Any, facts: Mapping[str, Any] | None, stand_in: Callable[..., Any]) -> Any:
    """The part that is described, or its stand-in."""
    try:
        return _known(description)
    except registry.NotHereError as error:
        if facts is None:
            raise
        return stand_in(json.dumps(description), json.dumps(facts), str(error))
