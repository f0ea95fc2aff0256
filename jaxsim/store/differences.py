"""How a study differs from the one whose results a folder holds, and whether it only adds to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jaxsim.errors import InputError
from jaxsim.study import registry
from jaxsim.study.study import Study

# How much of the difference between two studies an error shows.
SHOWN_DIFFERENCES, LONGEST_VALUE = 3, 80


def refuse_other(url: str, held: Study, wanted: Study) -> None:
    """Raise :class:`InputError` unless ``wanted`` is ``held`` with more replicates, cells or strategies (or another rule to stop).

    What is finished is then a part of it, number for number.
    """
    edited = [*_edited(held, wanted)]
    if edited:
        raise InputError(
            f"{url} was computed with other code: {'; '.join(edited)}. Give another --out, or go back to that code. (A class "
            "or function with an attribute version = '1' decides itself what counts as a change; comments and layout never do.)"
        )
    reasons = [*_lost(held, wanted)]
    if reasons:
        raise InputError(f"{url} holds another study ({_brief_list(reasons)}); give another --out, or remove it.")


def _edited(held: Study, wanted: Study) -> Iterator[str]:
    """Parts that are the same but for their code: what has changed in each, and what that concerns."""
    old, new = registry.encode(held.process), registry.encode(wanted.process)
    if registry.without_code(old) == registry.without_code(new) and old != new:
        yield f"{_name(wanted.process)} has changed ({_code_changes(old, new)}), so that all datasets here are of the old one"
    now = {strategy.name: strategy for strategy in wanted.estimators}
    for strategy in held.estimators:
        if strategy.name in now:
            old, new = registry.encode(strategy), registry.encode(now[strategy.name])
            if registry.without_code(old) == registry.without_code(new) and old != new:
                how = _code_changes(old, new)
                yield f"the strategy {strategy.name!r} has changed ({how}), so that its fits here are of the old one"


def _code_changes(old: Any, new: Any) -> str:
    """What differs in the code of two descriptions that are alike otherwise."""
    if isinstance(old, dict) and isinstance(new, dict):
        own = registry.changed(old[registry.CODE], new[registry.CODE]) if old.get(registry.CODE) != new.get(registry.CODE) else ""
        inner = [_code_changes(old[k], new[k]) for k in old if k != registry.CODE and old[k] != new.get(k)]
        return ", ".join(filter(None, [own, *inner]))
    if isinstance(old, list) and isinstance(new, list):
        return ", ".join(filter(None, (_code_changes(a, b) for a, b in zip(old, new, strict=True) if a != b)))
    return ""


def _name(process: Any) -> str:
    function = getattr(process, "function", None)
    return f"the process {getattr(function, '__name__', type(process).__name__)}"


def _lost(held: Study, wanted: Study) -> Iterator[str]:
    """Ways in which a study is not a superset of another, as ``what: one there, other here``."""
    for name in {**held.settings, **wanted.settings}:
        there, here = (study.settings.get(name, False) for study in (held, wanted))
        if there != here:
            yield f"{name}: {there} there, {here} here"
    if wanted.replicates < held.replicates:
        yield f"replicates: {held.replicates} there, {wanted.replicates} here (more would be added, fewer cannot be taken away)"
    fits = {e.name: e for e in wanted.estimators}
    for i, estimator in enumerate(held.estimators):
        now = fits.get(estimator.name)
        if now is None:
            yield f"estimators: {estimator.name} there, not here"
        elif registry.encode(now) != registry.encode(estimator):
            yield from differences(registry.encode(estimator), registry.encode(now), f"estimators[{i}]")
    if not {cell.key for cell in held.cells} <= {cell.key for cell in wanted.cells}:
        one, other = (json.loads(study.to_json()) for study in (held, wanted))
        names = ("process", "grid", "links")
        old, new = ({name: body[name] for name in names if name in body} for body in (one, other))
        found = list(differences(old, new, ""))
        yield from found or ["process: other cells there than here"]


def differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """Differences of two descriptions, as ``path: one there, other here``."""
    if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
        for name in {**old, **new}:
            yield from differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not _is_flat(old):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{path}[{i}]")
    elif old != new:
        yield f"{path}: {_brief(old)} there, {_brief(new)} here"


def _brief_list(found: list[str]) -> str:
    more = f"; and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
    return "; ".join(found[:SHOWN_DIFFERENCES]) + more


def _is_flat(values: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _brief(value: Any) -> str:
    text = "the default" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 2] + ".."
