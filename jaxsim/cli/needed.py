"""``jaxsim summary --needed power:0.8 --over units.subject``: how many are needed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from jaxsim.counts import counted
from jaxsim.errors import InputError, brief

if TYPE_CHECKING:
    import pandas as pd

    from jaxsim.results import Results


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the summary that ask for a number."""
    parser.add_argument(
        "--needed", metavar="RATE:TARGET", help="say instead how many are needed for a rate, such as power:0.8 (with --over)"
    )
    parser.add_argument(
        "--over", metavar="FACTOR", help="of what: a factor of numbers with several levels, such as units.subject or n_groups"
    )


def is_asked(options: argparse.Namespace) -> bool:
    """Whether a number is asked for.

    Raises:
        InputError: for options that do not go together.
    """
    if options.needed is None:
        if options.over is not None:
            raise InputError("--over is about --needed; give --needed RATE:TARGET with it, such as power:0.8.")
        return False
    if options.over is None:
        raise InputError(f"--needed {options.needed}: give --over FACTOR with it, the factor whose number is wanted.")
    if options.measures is not None:
        raise InputError("--measures is about the summary table, which --needed replaces; leave one of the two out.")
    return True


def table(results: Results, options: argparse.Namespace) -> pd.DataFrame:
    """What :meth:`jaxsim.results.Results.needed` says; raises :class:`InputError` as there, and for what is no rate and target."""
    measure, colon, number = options.needed.partition(":")
    try:
        target = float(number)
    except ValueError:
        colon = ""
    if not colon:
        raise InputError(f"--needed {brief(options.needed)}: give RATE:TARGET, such as power:0.8.")
    asked: dict[str, Any] = {name: getattr(options, name) for name in ("terms", "alpha")}
    given = {name: value for name, value in asked.items() if value is not None}
    return results.needed(measure.strip(), target, over=options.over, by=options.by, **given)


def text(found: pd.DataFrame, results: Results, options: argparse.Namespace) -> str:
    """The table for a terminal, and what a reader must know besides."""
    from jaxsim.measures.factor_name import in_full  # noqa: PLC0415 - keeps `jaxsim --help` fast
    from jaxsim.measures.sufficiency import OF_FITS, in_words  # noqa: PLC0415 - keeps `jaxsim --help` fast

    kit, (done, planned) = results.study.kit, results.progress
    of_tests = kit.has_inference and found["measure"].iloc[0] not in OF_FITS
    how = f" (95% Monte Carlo limits{f'; tests at alpha = {kit.level(options.alpha):g}' if of_tests else ''})"
    unfinished = (
        [] if done == planned else [f"UNFINISHED: {done:,} of {counted(planned, 'dataset')}. What follows is of those alone."]
    )
    return "\n\n".join([*unfinished, in_words(found, in_full(options.over, results.factors), how), *results.notes])
