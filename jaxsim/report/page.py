"""The report: one HTML page that needs no other file, with its style, its script and its pictures in it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from jaxsim.audit import table as audit_summary
from jaxsim.errors import InputError, choose, names_given
from jaxsim.measures import POLICIES
from jaxsim.measures.averaged import what_of
from jaxsim.measures.complaints import complaints
from jaxsim.report import tables
from jaxsim.report.by_cell import MOST_ROWS, by_cell
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.filters import Filter, filters, is_level
from jaxsim.report.found import found_of
from jaxsim.report.gathered import every_standings
from jaxsim.report.how_many import how_many
from jaxsim.report.minus import typeset
from jaxsim.report.saved_figures import SavedFigure, save_figures
from jaxsim.results import Results
from jaxsim.store.place import place_of
from jaxsim.study.caveats import caveats
from jaxsim.study.left_out import left_out_in_words
from jaxsim.study.outline import Outline

Made = tables.Table | list[tables.Table] | None


def write(
    results: Results, folder: str | Path | None = None, *, policy: str = "available", terms: str | Sequence[str] | None = None
) -> Path:
    """Write the report: ``index.html``, which needs no other file, and the figures as PNG and SVG under ``figures/``.

    The page says first what was found (:func:`jaxsim.report.found.found_of`), as far as Monte Carlo error allows. Its tables are
    sorted and narrowed by a script of its own; without it everything is there.

    Args:
        results: of a run, finished or not.
        folder: where to; ``report`` inside the results' folder when None. An older report there is replaced.
        policy: which fits count when some have failed: ``available`` (every usable one) or ``listwise`` (only datasets that
            every strategy fitted).
        terms: coefficients that the whole page is about, the first of them first, and of no strategy that has none of them; all
            without the intercept when None, each of the strategies that have it. Only exchangeable ones are averaged
            (:attr:`jaxsim.Study.families`).

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: for an unknown policy or coefficient, a folder that is a file or has somebody else's page, or results without a
            chunk.
    """
    choose("policy", policy, POLICIES)
    target = Path(folder) if folder is not None else results.out / "report"
    if target.is_file():
        raise InputError(f"{target} is a file; give a folder for the report.")
    index = target / "index.html"
    if index.exists() and not _is_report(index):
        raise InputError(f"{index} is no report of jaxsim and is not replaced; give another folder for the report.")
    chosen = (terms,) if isinstance(terms, str) else None if terms is None else names_given("terms", terms)
    numbers = Numbers(results, policy, chosen)
    pictures = save_figures(numbers, target / "figures")
    place_of(target).write(index.name, render(numbers, pictures).encode())
    return index


def _is_report(page: Path) -> bool:
    """Whether we wrote a page: those of older versions have the title only."""
    begin = page.read_bytes()[:1000]
    return any(mark in begin for mark in (b'<meta name="generator" content="jaxsim">', b"<title>Simulation study:"))


def render(numbers: Numbers, pictures: list[SavedFigure]) -> str:
    """The page as text. All words that come from the study are escaped; no script but ours runs, and nothing is loaded."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["minus"] = typeset
    script = _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {"style": Markup(_part("page.css")), "script": Markup(script), "digest": digest}
    return environment.from_string(_part("template.html")).render(**content(numbers), **parts, pictures=pictures)


def _part(name: str) -> str:
    return resources.files("jaxsim.report").joinpath(name).read_text(encoding="utf-8")


def content(numbers: Numbers) -> dict[str, Any]:
    """What the template shows besides pictures."""
    results, every = numbers.results, every_standings(numbers)
    shown = {name: _typeset(made) for name, made in _tables(numbers).items()}
    shown_study = _of_shown(numbers)
    lists = [table if isinstance(table, list) else [table] for table in shown.values() if table is not None]
    keys = {key for group in lists for table in group for key in table.keys}
    return {
        **shown,
        "name": results.folder.place.name,
        "study": results.study,
        "size": tables.size(shown_study),
        "policy": numbers.policy,
        "both_policies": {*tables.POLICY_TEXT.values()} <= {table.caption for group in lists for table in group},
        "progress": results.progress,
        "averaged": what_of(results.performance, (), numbers.terms),
        "notes": [note for note in notes(numbers) if not any(note in one.why for one in every)],  # said above
        "left_out": list(left_out_in_words(shown_study)),
        "findings": found_of(every, [how_many(numbers, standings.answering) for standings in every]),
        "filters": [_options(one) for one in filters(numbers) if one.key in keys],
        "facts": tables.facts(results),
        "factors": [(name, typeset(levels)) for name, levels in tables.factors(results)],
        "process": [(name, typeset(value)) for name, value in tables.process(results.study)],
        "most_rows": MOST_ROWS,
        "audit_note": tables.audit_note(results),
        "audit_legend": audit_summary.LEGEND,
        "provenance": tables.provenance(results),
    }


def notes(numbers: Numbers) -> list[str]:
    """What a reader must know besides the tables of the strategies that are shown; see :attr:`jaxsim.Results.notes`."""
    rates = numbers.only(numbers.results.rates(["model"]))
    return list(dict.fromkeys((*caveats(_of_shown(numbers)), *complaints(numbers.results.frames, rates))))


def _of_shown(numbers: Numbers) -> Outline:
    """The study with the strategies that are shown alone."""
    study = numbers.results.study
    fields = {field.name: getattr(study, field.name) for field in dataclasses.fields(Outline)}
    return Outline(**{**fields, "estimators": tuple(e for e in study.estimators if e.name in numbers.models)})


def _tables(numbers: Numbers) -> dict[str, Made]:
    """By their names in the template; None for those that the study has nothing for."""
    results = numbers.results
    return {
        "strategies": tables.strategies(_of_shown(numbers)),
        "headlines": tables.headlines(numbers),
        "by_cell": by_cell(numbers),
        "by_term": tables.by_term(numbers),
        "components": tables.variance_components(numbers),
        "rates": tables.rates(numbers),
        "reasons": tables.reasons(numbers),
        "stopping": tables.stopping(results),
        "audit": tables.audit(results),
    }


def _typeset(made: Made) -> Made:
    """Tables with minus signs in their numbers and in levels of factors; names stay as they are written."""
    if made is None or isinstance(made, list):
        return made and [_set(table) for table in made]
    return _set(made)


def _set(table: tables.Table) -> tables.Table:
    keys = [*table.keys, *[""] * len(table.columns)]
    is_number = [k >= table.labels or is_level(keys[k]) for k in range(len(table.columns))]
    rows = [[typeset(cell) if number else cell for cell, number in zip(row, is_number, strict=True)] for row in table.rows]
    return dataclasses.replace(table, rows=rows)


def _options(one: Filter) -> Filter:
    """A control whose choices are written as they are in tables."""
    return dataclasses.replace(one, options=list(map(typeset, one.options))) if is_level(one.key) else one
