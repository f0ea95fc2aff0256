"""Whether estimates are off the truth on average, in sentences."""

from __future__ import annotations

import math

from jaxsim.counts import listed
from jaxsim.measures.evidence import Number, differs
from jaxsim.report.kept_in_words import named, number_in_words
from jaxsim.report.standings import Standing, Standings

LOOKS = 1.5  # errors from zero: what readers of a table may take for a bias


def bias_in_words(standings: Standings) -> list[str]:
    """Whose bias is beyond Monte Carlo error: a t test of each strategy's mean error, all of them looked at together (Bonferroni).

    Where none is, but those of several strategies lie on one side and look as if they were, that chance may do that: their datasets
    are the same. Nothing where no bias is known.
    """
    known = [(s, s.bias) for s in standings.strategies if s.bias is not None]
    if not known:
        return []
    off = [(s, bias) for s, bias in known if differs(bias, standings.datasets_of(s), len(known))]
    average = ", on average" if standings.cells > 1 else ""
    if not off:
        none = "None is larger" if len(known) > 1 else "Not larger"
        return [f"{none} than Monte Carlo error explains{average}.{_shared([bias for _, bias in known])}"]
    told = f"Larger than Monte Carlo error explains{average}: {_each(off)}."
    rest = [pair for pair in known if pair not in off]
    return [told + (f" Not larger than that: {_each(rest)}." if rest else "")]


def _each(known: list[tuple[Standing, Number]]) -> str:
    return listed([named(s.name, number_in_words(bias) + s.of) for s, bias in known])


def _shared(biases: list[Number]) -> str:
    """That all biases lie on one side, and one of them so far that it looks like one; with a space before it."""
    signs = {math.copysign(1, bias.value) for bias in biases}
    looks = any(abs(bias.value) > LOOKS * bias.mcse for bias in biases)
    if len(biases) < 2 or len(signs) > 1 or not looks:
        return ""
    side = "above" if signs == {1.0} else "below"
    return f" That all estimates lie {side} the truth may be chance which they share, for their datasets are the same."
