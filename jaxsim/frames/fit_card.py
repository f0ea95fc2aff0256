"""A fit as a notebook shows it: the tables of its summary."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from jaxsim import markup
from jaxsim.frames import fit_text
from jaxsim.frames.fitted import Fitted


def fit_card(fit: Fitted) -> str:
    """Formula, criterion, random effects, sizes, fixed effects, status and messages, as :func:`fit_text.summarise` has them."""
    mixed = fit.varcorr is not None and fit.criterion is not None
    random = _table(fit_text.random_effects(fit.varcorr), 2, "Random effects") if mixed and fit.varcorr is not None else ""
    return markup.card(
        markup.title(fit.formula, fit.method),
        markup.line(fit_text.criterion(fit) if mixed else ""),
        random,
        _table(fit_text.fixed_effects(fit), 1, "Fixed effects" if mixed else "Coefficients"),
        markup.line("" if mixed else fit_text.residual(fit)),
        markup.line(fit_text.sizes(fit)),
        *said(fit.status, fit.messages),
    )


def posterior_card(formula: str, parameters: pd.DataFrame, fixed: pd.DataFrame, status: str, messages: Sequence[str]) -> str:
    """A posterior: its group SDs, correlations and residual SD, its fixed effects, status and messages."""
    return markup.card(
        markup.title(formula, "Bayesian hierarchical model"),
        _frame(parameters, "Parameters"),
        _frame(fixed, "Fixed effects"),
        *said(status, messages),
    )


def said(status: str, messages: Sequence[str]) -> tuple[str, str]:
    """What a user must know besides the numbers: a status that is not ``ok``, and the messages."""
    return markup.line("" if status == "ok" else f"Status: {status}"), markup.lines(messages)


def _table(rows: list[list[str]], labels: int, caption: str) -> str:
    width = max(map(len, rows))
    head, *body = [row + [""] * (width - len(row)) for row in rows]
    return markup.table(head, body, labels, caption)


def _frame(table: pd.DataFrame, caption: str) -> str:
    rows = [[value if isinstance(value, str) else f"{value:.4g}" for value in row] for row in table.itertuples(index=False)]
    return markup.table([str(name) for name in table.columns], rows, 1, caption)
