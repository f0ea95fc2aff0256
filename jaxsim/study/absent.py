"""Parts of a stored study whose code is not here: results can be loaded, summarised and reported without it, not computed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self

from jaxsim.data.names import Coded, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError
from jaxsim.estimators import wording
from jaxsim.estimators.strategy import Strategy
from jaxsim.levels import freeze
from jaxsim.measures.addition import Addition
from jaxsim.processes.process import Process
from jaxsim.scores.score import Score
from jaxsim.study import registry


def names_of(facts: Mapping[str, Any]) -> Names:
    """Undo :func:`names_as_facts`."""
    known = {name: facts[name] for name in names_as_facts(Names(()))}
    coded = tuple(Coded(variable, tuple(contrasts), tuple(levels)) for variable, contrasts, levels in facts.get("coded", ()))
    body: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    pairs = {name: tuple((factor, tuple(terms)) for factor, terms in facts[name]) for name in ("random", "components")}
    return Names(**{**body, **pairs, "coded": coded})


def names_as_facts(names: Names) -> dict[str, Any]:
    """Names as JSON."""
    return {
        "fixed": list(names.fixed), "columns": list(names.columns), "factors": list(names.factors), "response": names.response,
        "constant": list(names.constant), "random": [[factor, list(terms)] for factor, terms in names.random],
        "components": [[factor, list(terms)] for factor, terms in names.components],
        "estimands": list(names.estimands),
        **({"coded": [[c.variable, list(c.contrasts), list(c.levels)] for c in names.coded]} if names.coded else {}),
    }  # fmt: skip


def process_as_facts(process: Process) -> dict[str, Any]:
    """What results need to know of a process without its code: its names, and the values of its fields with their defaults."""
    if isinstance(process, AbsentProcess):
        found: dict[str, Any] = json.loads(process.facts)
        return found
    fields = dataclasses.fields(process) if dataclasses.is_dataclass(process) else ()
    defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    return {
        **names_as_facts(process.names),
        "values": {name: registry.encode(value, name) for name, value in process.values.items()},
        "defaults": {name: registry.encode(default, name) for name, default in defaults.items() if name in process.values},
    }


def strategy_as_facts(strategy: Strategy, names: Names) -> dict[str, Any]:
    """What results say of a strategy without its code."""
    return {
        "label": strategy.name,
        "coefficients": list(strategy.coefficients(names)),
        "random": [[part.factor, [list(block) for block in part.blocks]] for part in strategy.random_effects(names)],
        "limit": strategy.limit,
        "has_group_coefficients": strategy.has_group_coefficients,
    }


@dataclass(frozen=True)
class Described:
    """What all of them know.

    Args:
        text: the part's description, JSON.
        facts: names that results need, JSON.
        why: a sentence that says what is missing.
    """

    text: str
    facts: str
    why: str

    @property
    def kind(self) -> str:
        """What the part is called: its class, or its function."""
        description = self.described()
        function = description.get("function")
        name = str(function["name"] if isinstance(function, dict) else description[registry.TYPE])
        return name.rpartition(":")[2]

    @property
    def about(self) -> str:
        """Its documentation is not here."""
        return ""

    def described(self) -> dict[str, Any]:
        """As it was stored."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    def fact(self, name: str) -> Any:
        """One of the facts."""
        return json.loads(self.facts)[name]


@dataclass(frozen=True)
class AbsentProcess(Described, Process):
    """A process whose code is not here."""

    @property
    def terms(self) -> tuple[str, ...]:
        return self.names.fixed

    @property
    def names(self) -> Names:
        return names_of(json.loads(self.facts))

    @property
    def values(self) -> dict[str, Any]:
        return {name: freeze(value) for name, value in self.fact("values").items()}

    def having(self, **changes: Any) -> Self:
        """The same with other values, which are written into its description: nothing is run of what is not here."""
        body, facts = self.described(), json.loads(self.facts)
        new = {name: registry.encode(value, name) for name, value in changes.items()}
        facts["values"] |= new
        if "function" in body:  # see jaxsim.processes.function_process
            items = dict(map(tuple, body["fields"]["items"])) | new
            body["fields"] = body["fields"] | {"items": [[k, v] for k, v in items.items()]}
        else:
            body |= new
            for name, default in facts["defaults"].items():  # which a description leaves out
                if name in body and type(body[name]) is type(default) and body[name] == default:
                    del body[name]
        return type(self)(json.dumps(body), json.dumps(facts), self.why)

    def _missing(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError(f"this needs the process itself: {self.why}")

    @property
    def max_groups(self) -> int:
        self._missing()

    def program(self, bounds: Any) -> Hashable:
        self._missing()

    def parameters(self, bounds: Any) -> dict[str, Any]:
        self._missing()

    def draw(self, key: Any, parameters: Any, bounds: Any) -> Any:
        self._missing()

    def rows(self, key: Any) -> Any:
        self._missing()


@dataclass(frozen=True)
class AbsentStrategy(Described, Strategy):
    """A strategy whose code is not here."""

    batched: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return str(self.fact("label"))

    @property
    def limit(self) -> int | None:
        limit = self.fact("limit")
        return None if limit is None else int(limit)

    def coefficients(self, names: Names) -> tuple[str, ...]:
        return tuple(self.fact("coefficients"))

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The fields that its description has: those that are no defaults."""
        given = registry.without_code(self.described())
        told = {name: _option(value) for name, value in given.items() if name not in (registry.TYPE, *wording.APART)}
        return tuple(f"{name}={text}" for name, text in told.items() if text != "{}")

    def random_effects(self, names: Names) -> tuple[RandomEffects, ...]:
        return tuple(RandomEffects(factor, tuple(map(tuple, blocks))) for factor, blocks in self.fact("random"))

    @property
    def has_group_coefficients(self) -> bool:
        return bool(self.fact("has_group_coefficients"))

    def check(self, names: Names) -> None:
        """It was checked when it was stored."""


def _option(value: Any) -> str:
    """An option as a study's description has it: a function, or a part with fields, by its name."""
    if isinstance(value, dict) and value.get(registry.TYPE) == registry.DICT:
        return f"{{{', '.join(f'{key}: {_option(item)}' for key, item in value['items'])}}}"
    if isinstance(value, dict) and registry.TYPE in value:
        return str(value["name"] if value[registry.TYPE] == registry.FUNCTION else value[registry.TYPE])
    return wording.written(value)


@dataclass(frozen=True)
class AbsentScore(Described, Score):
    """A score whose code is not here: what it made is in the tables, its measures are not known."""

    @property
    def addition(self) -> Addition:
        return Addition()

    def check(self, strategies: Sequence[Strategy], names: Names, process: str) -> None:
        """It was checked when it was stored."""

    def of(self, draw: Any, estimator: Any, fit: Any, key: Any) -> NoReturn:
        raise InputError(f"this needs the score itself: {self.why}")


@dataclass(frozen=True)
class AbsentMeasure(Described):
    """An own measure whose function is not here: tables leave it out."""

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.fact("name"))
