"""The report: pictures drawn and saved, and one HTML page that holds them all."""

from __future__ import annotations

import base64
import contextlib
import gc
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup

from jaxsim.audit import table as audit_summary
from jaxsim.errors import InputError, choose
from jaxsim.measures import POLICIES
from jaxsim.report import tables
from jaxsim.report.figures import FIGURES
from jaxsim.report.figures.numbers import Numbers
from jaxsim.results import Results
from jaxsim.store.errors import unwritable
from jaxsim.store.place import place_of
from jaxsim.style import DPI, RC


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it: ``image`` is a data URI, ``svg`` a file name beside the page."""

    name: str
    title: str
    caption: str
    image: Markup
    svg: str


def write(results: Results, folder: str | Path | None = None, *, policy: str = "available") -> Path:
    """Write the report: ``index.html``, which needs no other file, and the figures as PNG and SVG under ``figures/``.

    Args:
        results: of a run, finished or not.
        folder: where to; ``report`` inside the results' folder when None. An older report there is replaced.
        policy: which fits count when some have failed: ``available`` (every usable one) or ``listwise`` (only datasets that
            every strategy could fit).

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: for an unknown policy, a folder that is a file or has somebody else's page, or results without a chunk.
    """
    choose("policy", policy, POLICIES)
    target = Path(folder) if folder is not None else results.out / "report"
    if target.is_file():
        raise InputError(f"{target} is a file; give a folder for the report.")
    index = target / "index.html"
    if index.exists() and not _is_report(index):
        raise InputError(f"{index} is no report of jaxsim and is not replaced; give another folder for the report.")
    numbers = Numbers(results, policy)
    pictures = save_figures(numbers, target / "figures")
    place_of(target).write(index.name, render(numbers, pictures).encode())
    return index


def _is_report(page: Path) -> bool:
    """Whether we wrote a page: those of older versions have the title only."""
    begin = page.read_bytes()[:1000]
    return any(mark in begin for mark in (b'<meta name="generator" content="jaxsim">', b"<title>Simulation study:"))


@contextlib.contextmanager
def _writing(figures: Path) -> Iterator[None]:
    """What the system refuses of the figures, as a sentence about the report."""
    try:
        yield
    except OSError as error:
        raise unwritable(f"the report in {figures.parent}", error) from error


def save_figures(numbers: Numbers, folder: Path) -> list[Picture]:
    """Draw every figure that the study has something for, and save it as PNG and SVG; files of the others are removed."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with matplotlib.rc_context(RC), _without_collection():
        for name, entry in FIGURES.items():
            figure = entry.draw(numbers)
            files = {kind: folder / f"{name}.{kind}" for kind in ("png", "svg")}
            if figure is None:
                with _writing(folder):
                    for file in files.values():
                        file.unlink(missing_ok=True)
                continue
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI)
            with _writing(folder):
                files["png"].write_bytes(buffer.getvalue())
                figure.savefig(files["svg"], metadata={"Date": None})
            image = Markup(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")
            pictures.append(Picture(name, entry.title, entry.caption, image, f"figures/{name}.svg"))
    return pictures


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Pause the garbage collector: searching the many objects of figures for cycles takes a tenth of the drawing time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def render(numbers: Numbers, pictures: list[Picture]) -> str:
    """The page as text. All words that come from the study are escaped."""
    template = resources.files("jaxsim.report").joinpath("template.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(**content(numbers), pictures=pictures)


def content(numbers: Numbers) -> dict[str, Any]:
    """What the template shows besides pictures."""
    results = numbers.results
    return {
        "name": results.folder.place.name,
        "study": results.study,
        "policy": numbers.policy,
        "progress": results.progress,
        "facts": tables.facts(results),
        "factors": tables.factors(results),
        "process": tables.process(results.study),
        "strategies": tables.strategies(results.study),
        "headlines": tables.headlines(numbers),
        "by_term": tables.by_term(numbers),
        "components": tables.variance_components(numbers),
        "rates": tables.rates(results),
        "reasons": tables.reasons(results),
        "stopping": tables.stopping(results),
        "audit": tables.audit(results),
        "audit_note": tables.audit_note(results),
        "audit_legend": audit_summary.LEGEND,
        "provenance": tables.provenance(results),
    }
