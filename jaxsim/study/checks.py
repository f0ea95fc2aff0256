"""What a study is refused for, before anything is simulated: every message says what was given, what is allowed and what to do."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, check_probability, choose, meant, printable, several, siblings, suggestion
from jaxsim.estimators.strategy import Strategy
from jaxsim.processes import fresh
from jaxsim.processes.process import Process
from jaxsim.study import registry, saved
from jaxsim.study.absent import AbsentProcess
from jaxsim.study.cell import Cell
from jaxsim.study.feasibility import feasible
from jaxsim.study.grid import Grid
from jaxsim.study.outline import Outline
from jaxsim.study.until import Until

DTYPES: tuple[str, ...] = ("float64", "float32")
# Strategies, scores or measures of a study at most.
MOST = 1000
# Cells of a study at most: each is a process of its own, checked and described before anything is simulated, in some 0.2 ms.
CELLS = 100_000
# What people vary that is a function of fields.
LINKED = "A factor that is no field goes with Grid(..).linked(function), which says the fields that follow from it."


def instances(what: str, given: Any, kind: Any, example: str) -> tuple[Any, ...]:
    """One instance, or several, as a tuple; :class:`InputError` for anything else among them."""
    members = None if isinstance(given, kind) else several(given, MOST)
    found = (given,) if members is None else members
    if len(found) > MOST:
        raise InputError(f"{what}: there are more than {MOST:,}, or no end of them; give fewer.")
    for one in found:
        if isinstance(one, kind):
            _decorated(one)
            continue
        named = getattr(one, "__name__", brief(one))
        if isinstance(one, type) and issubclass(one, kind):
            raise InputError(f"{what} has the class {named}; give an instance: {named}(..).")
        if inspect.isfunction(one):
            own = f"FrameStrategy({named}, label='..') for a function of a DataFrame, FunctionEstimator({named}) for JAX"
            raise InputError(f"{what} has the function {named}; wrap it: {own if what == 'estimators' else example}.")
        raise InputError(f"{what} has {brief(one)}; give instances such as {example}.")
    return found


def _decorated(one: Any) -> None:
    """Raise :class:`InputError` for a class whose fields are none, since it is no dataclass itself."""
    kind = type(one)
    if "__annotations__" in vars(kind) and "__dataclass_fields__" not in vars(kind):
        raise InputError(f"{kind.__name__} has annotated fields but is no dataclass: put @dataclass(frozen=True) above it.")


def every(study: Outline) -> None:
    """All of them."""
    for check in (settings, process, named, strategies, cells, measured, described):
        check(study)
    if not saved.reading():  # results that are there can be read
        feasible(study)


def settings(study: Outline) -> None:
    """Numbers and options."""
    check_probability("conf_level", study.conf_level)
    if not isinstance(study.grid, Grid):
        raise InputError(f"grid={brief(study.grid)}: give a Grid, such as Grid(n_groups=[10, 30]).")
    if len(study.grid) > CELLS:
        raise InputError(f"the grid has {len(study.grid):,} combinations; a study has at most {CELLS:,}: give fewer levels.")
    choose("dtype", study.dtype, DTYPES)
    if not isinstance(study.group_coefficients, bool):
        raise InputError(f"group_coefficients={brief(study.group_coefficients)}: give True or False.")


def process(study: Outline) -> None:
    """The process, and the factors that vary it."""
    given = study.process
    if not isinstance(given, Process):
        name = getattr(given, "__name__", brief(given))
        if inspect.isfunction(given):
            raise InputError(
                f"process is the function {name}; wrap it: FunctionProcess({name}, ..) for JAX, FrameProcess({name}, ..) for NumPy "
                "and pandas, with its fields as arguments."
            )
        if isinstance(given, type) and issubclass(given, Process):
            raise InputError(f"process is the class {name}; give an instance: {name}(..).")
        raise InputError(f"process={brief(given)}: give a process such as GaussianMultilevel().")
    if not dataclasses.is_dataclass(given):
        raise InputError(f"{type(given).__name__} is no dataclass: put @dataclass(frozen=True) above it.")
    _decorated(given)
    for name in study.grid.must_be_fields:
        if name not in given.values:
            beside = siblings(name, given.values)
            hint = suggestion(name, given.values) or ("" if beside else f" {given.hint(name) or LINKED}")
            there = ", ".join(beside or given.values) or "no factor"
            raise InputError(f"grid factor {name!r} is not a field of {given.kind}.{hint} Use {there}.")


def named(study: Outline) -> None:
    """That everything which tables name can be printed."""
    names = study.names
    given = {
        "term": names.fixed, "column": names.columns, "grouping factor": names.factors, "response": (names.response,),
        "estimand": names.estimands, "score": [c for score in study.every_score for c in score.addition.columns],
        "measure": [*study.kit.measures, *(measure.name for measure in study.measures)],
    }  # fmt: skip
    for what, names_of in given.items():
        for name in names_of:
            printable(what, name)
    for strategy in study.estimators:
        printable("the label of a strategy,", _label(strategy))
        for term in strategy.coefficients(names):
            printable(f"strategy {strategy.name!r}: the term", term)


def _label(strategy: Strategy) -> Any:
    """Its label as it was given; the name of its class or function if it has none, or leaves it open."""
    label = getattr(strategy, "label", None)
    return strategy.name if label is None and strategy.name != str(None) else label


def strategies(study: Outline) -> None:
    """The strategies, each by itself and with the others."""
    if not study.estimators:
        raise InputError("a study needs at least one strategy (estimators=..).")
    labels = [strategy.name for strategy in study.estimators]
    if len(set(labels)) != len(labels):
        raise InputError(f"two strategies share a label in {labels}; give each its own with label=...")
    for strategy in study.estimators:
        strategy.check(study.names)
        if strategy.reads is Rows and study.process.draws is CrossProducts:
            raise InputError(
                f"strategy {strategy.name!r} reads rows, and {study.process.kind} draws cross-products; take a process that draws "
                "rows (GaussianMultilevel(sampler='rows'))."
            )
        if not strategy.coefficients(study.names):
            raise InputError(f"strategy {strategy.name!r} estimates no coefficient.")
    double = [e.name for e in study.estimators if not e.closed_form]
    if study.dtype != "float64" and double:
        raise InputError(
            f"dtype={study.dtype!r} is too coarse for {', '.join(double)}, which iterate; leave them out, or take float64."
        )
    _estimands(study)


def _estimands(study: Outline) -> None:
    """That a true value which is no fixed effect, and which no strategy estimates, is not a column's name with a mistake in it."""
    used = {name for strategy in study.estimators for name in strategy.compared.values()}
    for name in study.names.estimands:
        near = meant(name, study.names.columns)
        if name not in used and near is not None:
            raise InputError(
                f"the truth of {study.process.kind} names {name!r}, which is no column ({', '.join(study.names.columns)}), and no "
                f"strategy has it as its estimand. Did you mean {near!r}? Else call it something less like a column."
            )


def cells(study: Outline) -> None:
    """That no two cells are the same process."""
    with registry.one_look():
        keys = [cell.key for cell in study.cells]
    first: dict[str, Cell] = {}
    for cell, key in zip(study.cells, keys, strict=True):
        twin = first.setdefault(key, cell)
        if twin is not cell:
            raise InputError(
                f"cells {twin.index} {dict(twin.conditions)} and {cell.index} {dict(cell.conditions)} are the same process, "
                "and would be the same datasets; leave one out."
            )


def measured(study: Outline) -> None:
    """Scores, own measures and the rule that stops a cell."""
    for score in study.every_score:
        score.check(study.estimators, study.names, study.process.kind)
        why = fresh.lacking(study.process) if score.needs_fresh and not isinstance(study.process, AbsentProcess) else None
        if why is not None:
            raise InputError(f"{type(score).__name__}(): {why}")
    if study.until is not None:
        if not isinstance(study.until, Until):
            raise InputError(f"until={brief(study.until)}: give a rule such as Until(power=0.005).")
        study.until.check(study.replicates, dict.fromkeys([*study.kit.measures, *(measure.name for measure in study.measures)]))


def described(study: Outline) -> None:
    """That every part can be stored with the results."""
    for name in ("estimators", "scores", "measures"):
        registry.encode(getattr(study, name), name)
