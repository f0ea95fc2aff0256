"""Colours around a nominal rate of errors: pale where it is kept, orange where there are more, blue where there are fewer."""

from __future__ import annotations

from jaxsim.report.figures.tiles import Scale

# Multiples of the nominal rate of errors between the classes, and the colours: fewest errors first.
MULTIPLES = (0.5, 0.8, 1.2, 1.5, 2.0, 4.0, 10.0)
COLORS = ("#3f7fbf", "#a6c8e4", "#f4f4f4", "#fdd0a2", "#fd9a4e", "#e5660b", "#b93d02", "#6b1f02")


def error_scale(alpha: float, *, of_coverage: bool = False) -> Scale:
    """Classes of type I error rates around ``alpha``, or of coverage around ``1 - alpha``."""
    edges = [round(alpha * multiple, 6) for multiple in MULTIPLES if alpha * multiple < 1]
    errors = Scale((0.0, *edges, 1.0), COLORS[: len(edges) + 1])
    if not of_coverage:
        return errors
    return Scale(tuple(round(1 - edge, 6) for edge in reversed(errors.edges)), tuple(reversed(errors.colors)))
