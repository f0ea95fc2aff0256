"""``results.plot``: the figures of the report as functions that give a figure each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxsim import markup
from jaxsim.errors import InputError, advised, brief, names_given, printable
from jaxsim.report.figures import CHOICES, FIGURES, Entry
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import TITLE_LABEL
from jaxsim.report.figures.numbers import Numbers
from jaxsim.results import Results
from jaxsim.style import RC

ABOUT = """{title}. {caption}{without}

        Args:
            by: factors of the grid that are told apart: the first along the axis, the second as columns of panels, the third as
                rows (of a map the second is the vertical axis, of nested loops the first is the innermost); all others are averaged
                over. Chosen by the figure when None.
            strategies: labels of those that are shown, all when None; each keeps its colour. Who counts under the policy
                ``listwise`` does not depend on it.
            terms: coefficients that are shown, every one but the intercept when None. Those that are exchangeable
                (``study.families``) are averaged, each other has a panel of its own.
            title: instead of the figure's own.
            policy: which fits count when some have failed, ``available`` or ``listwise``.

        Returns:
            A matplotlib figure, which notebooks show and pyplot does not know.

        Raises:
            InputError: for a name that is not known; and if the study has not what the figure shows, with the reason.
        """


class UnknownFigureError(InputError, AttributeError):
    """A figure that is not in the catalogue."""


class Plots:
    """Every figure in :data:`jaxsim.report.FIGURES`, called by its name: ``results.plot.coverage(by="n_groups")``.

    One of your own is there as soon as the catalogue has it:
    ``report.FIGURES["mine"] = report.Entry("Mine", "How to read it.", function)``, where the function makes a matplotlib figure
    of :class:`jaxsim.report.figures.numbers.Numbers`; reports have it, too.

    Args:
        results: of a run, finished or not.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def __getattr__(self, name: str) -> Callable[..., Figure]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in FIGURES:
            there = f"it has {', '.join(FIGURES)}"
            raise UnknownFigureError(advised(f"results.plot has no figure {name!r}", name, FIGURES, there))
        return _named(self._results, name)

    def __dir__(self) -> list[str]:
        return list(FIGURES)

    def __repr__(self) -> str:
        width = max(map(len, FIGURES))
        return "\n".join(["results.plot", *(f"  {name:<{width}}  {entry.title}" for name, entry in FIGURES.items())])

    def _repr_html_(self) -> str:
        rows = [(f"{name}()", entry.title, entry.caption) for name, entry in FIGURES.items()]
        return markup.card(markup.title("results.plot"), markup.table(("figure", "shows", "how to read it"), rows, 3))


def _named(results: Results, name: str) -> Callable[..., Figure]:
    """A figure as a function of its own, with its documentation."""
    entry = FIGURES[name]

    def figure(
        by: str | Sequence[str] | None = None,
        *,
        strategies: str | Sequence[str] | None = None,
        terms: str | Sequence[str] | None = None,
        title: str | None = None,
        policy: str = "available",
    ) -> Figure:
        """The figure, of what is asked for."""
        chosen = {what: _names(what, given) for what, given in (("by", by), ("strategies", strategies), ("terms", terms))}
        for what, given in chosen.items():
            if given is not None and what not in entry.takes:
                there = ", ".join((*entry.takes, "title", "policy"))
                raise InputError(f"results.plot.{name} takes {there}; leave out {what}={brief(given)}.")
        return _drawn(name, entry, Numbers(results, policy, **chosen), title)

    figure.__name__ = name
    figure.__qualname__ = f"results.plot.{name}"
    without = [what for what in CHOICES if what not in entry.takes]
    said = f" It takes no {' and no '.join(without)}." if without else ""
    figure.__doc__ = ABOUT.format(title=entry.title, caption=entry.caption, without=said)
    return figure


def _names(what: str, given: Any) -> tuple[str, ...] | None:
    """One name, or several; None for none given."""
    return None if given is None else (given,) if isinstance(given, str) else names_given(what, given)


def _drawn(name: str, entry: Entry, numbers: Numbers, title: str | None) -> Figure:
    """The figure, with another title if one is given."""
    if title is not None:
        printable("title", title)
    with mpl.rc_context(RC):
        try:
            figure = entry.drawn(numbers)
        except Absent as why:
            raise Absent(f"results.plot.{name} cannot be drawn: {why}.") from None
        if figure is None:
            raise Absent(f"results.plot.{name} cannot be drawn: its function found nothing for it in these results.")
        if not isinstance(figure, Figure):
            raise InputError(f"results.plot.{name}: the figure's function gave {brief(figure)}; give a matplotlib figure, or None.")
        if title is not None:
            own = next((text for text in figure.texts if text.get_label() == TITLE_LABEL), None)
            figure.suptitle(title) if own is None else own.set_text(title)
    return figure
