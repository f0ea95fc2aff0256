"""What figures of studies share beyond :mod:`jaxsim.style`: colours and marks that stay with a strategy, names a reader knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxsim.report.minus import typeset
from jaxsim.style import OKABE_ITO

# The 2019 study's strategies always have the same ones.
FIXED = dict(zip(("lmer", "lmer_mis", "lm", "lm2", "ols"), OKABE_ITO, strict=False))
OTHERS = (*OKABE_ITO[len(FIXED) :], "#8C6D31", "#7B4FA3", "#7F7F7F", "#B8B000", "#A50026")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "p", "h", "*")

LABELS = {
    "term": "coefficient",
    "n_groups": "groups",
    "n_obs": "observations per group",
    "group_sd": "between-group SD",
    "n_predictors": "predictors",
    "residual_sd": "residual SD",
    "fixed_effects": "fixed effects",
    "correlation": "correlation of group effects",
    "effect_in_se": "effect (standard errors)",
}
LONGEST_TICK, LONGEST_HEADING = 20, 34


class Look(NamedTuple):
    """How one strategy is drawn everywhere."""

    color: str
    marker: str


def looks(models: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of each strategy: fixed for known labels, then in the order given."""
    spare = [color for color in (*OTHERS, *FIXED.values()) if color not in {FIXED.get(model) for model in models}]
    unknown = [model for model in models if model not in FIXED]
    colors = FIXED | {model: spare[i % len(spare)] for i, model in enumerate(unknown)}
    return {model: Look(colors[model], MARKERS[i % len(MARKERS)]) for i, model in enumerate(models)}


def factor_label(name: str) -> str:
    """A factor's name for an axis."""
    return LABELS.get(name, name.replace("_", " "))


def level_label(level: Any, longest: int = LONGEST_HEADING) -> str:
    """A level for a tick or a heading, such as ``5`` or ``UniformSizes(3, 9)``; one longer than ``longest`` is cut."""
    is_number = isinstance(level, int | float) and not isinstance(level, bool)
    text = typeset(f"{level:g}") if is_number else re.sub(r"(?<=[(, ])\w+=", "", str(level))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
