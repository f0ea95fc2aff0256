"""How a study differs from the one whose results a folder holds, and whether it only adds to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jaxsim import spec
from jaxsim.design import Study
from jaxsim.errors import InputError

# How much of the difference between two studies an error shows.
SHOWN_DIFFERENCES, LONGEST_VALUE = 3, 80


def refuse_other(url: str, held: Study, wanted: Study) -> None:
    """Raise :class:`InputError` unless ``wanted`` is ``held`` with more replicates, cells or strategies (or another rule to stop).

    What is finished is then a part of it, number for number.
    """
    reasons = [*_lost(held, wanted)]
    if reasons:
        raise InputError(f"{url} holds another study ({_brief_list(reasons)}); give another --out, or remove it.")


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
        elif now != estimator:
            yield from differences(spec.encode(estimator), spec.encode(now), f"estimators[{i}]")
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
