"""Why so many fits of a strategy failed, in the words of most of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from jaxsim.errors import InputError
from jaxsim.measures.policy import is_usable
from jaxsim.status import Status

# Proportion of failed fits from which on a reader must know why, and averages of available fits are about different datasets.
OFTEN = 0.05
LONGEST = 300

Frames = Callable[..., Iterable[pd.DataFrame]]


def complaints(frames: Frames, rates: pd.DataFrame) -> list[str]:
    """A sentence for all strategies of which at least ``OFTEN`` of the fits failed for one reason: how many did, and what most of
    these say; strategies that gave no answer at all have one of their own.

    Args:
        frames: as :meth:`jaxsim.results.Results.frames`; read only if there is such a strategy.
        rates: rates of fits by model.
    """
    failures = rates[(rates["measure"] == "failure") & (rates["value"] >= OFTEN)]
    if failures.empty:
        return []
    said: dict[str, Counter[tuple[str, str]]] = {str(model): Counter() for model in failures["model"]}
    for frame in _with_messages(frames):
        failed = frame[~is_usable(frame) & frame["model"].astype(str).isin(list(said))]
        texts = failed["message"].astype(object).where(failed["message"].notna(), "")
        for model, status, text in zip(failed["model"], failed["status"], texts, strict=True):
            said[str(model)][str(status), str(text)] += 1
    found: dict[tuple[bool, str, str], list[str]] = {}
    for model, failed, fits in zip(failures["model"], failures["n_failed"], failures["n_used"], strict=True):
        if not said[str(model)]:  # of chunks that are not there any longer
            continue
        (status, text), count = said[str(model)].most_common(1)[0]
        most = "" if count == failed else f" ({count:,} of these)"
        text = text or Status[status.upper()].message
        words = text if len(text) <= LONGEST else f"{text[:LONGEST]} .."
        none = failed == fits
        name = f"{model} gave no answer at all" if none else f"{model}"
        found.setdefault((none, status, words), []).append(f"{name}: {failed:,} of {fits:,} fits failed, {status}{most}")
    return [f"{'; '.join(told)}: {words}" for (_, _, words), told in found.items()]


def _with_messages(frames: Frames) -> Iterator[pd.DataFrame]:
    """What became of fits; without words where they are of a version that stored none."""
    columns = ["cell", "replicate", "model", "status"]
    try:
        yield from frames("fits", [*columns, "message"])
    except InputError:
        yield from (frame.assign(message=None) for frame in frames("fits", columns))
