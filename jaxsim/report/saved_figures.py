"""The report's figures, drawn and saved."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from jaxsim.report.described import describe
from jaxsim.report.figures import FIGURES
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.inline import PART, inline, standalone
from jaxsim.report.series import parts
from jaxsim.store.errors import unwritable
from jaxsim.style import DPI, RC


@dataclass(frozen=True)
class SavedFigure:
    """A figure as the page shows it: ``svg`` is a part of the page, ``files`` are names of files beside it by their kind."""

    name: str
    title: str
    caption: str
    svg: Markup
    files: dict[str, str]


def save_figures(numbers: Numbers, folder: Path) -> list[SavedFigure]:
    """Draw every figure that the study has something for, and save it as PNG and SVG; files of the others are removed."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with matplotlib.rc_context(RC | {"svg.fonttype": "none"}), _without_collection():
        for name, entry in FIGURES.items():
            figure = entry.draw(numbers)
            files = {kind: folder / f"{name}.{kind}" for kind in ("svg", "png")}
            if figure is None:
                with _writing(folder):
                    for file in files.values():
                        file.unlink(missing_ok=True)
                continue
            svg, png = _drawn(figure, numbers.models)
            with _writing(folder):
                files["svg"].write_text(standalone(svg), encoding="utf-8")
                files["png"].write_bytes(png)
            shown = inline(svg, name, describe(figure, numbers.models))
            beside = {kind.upper(): f"{folder.name}/{file.name}" for kind, file in files.items()}
            pictures.append(SavedFigure(name, entry.title, entry.caption, shown, beside))
    return pictures


def _drawn(figure: Figure, models: tuple[str, ...]) -> tuple[str, bytes]:
    """A figure as SVG and as PNG."""
    for count, (artist, number) in enumerate(parts(figure, models)):
        artist.set_gid(f"{PART}{number}.{count}")
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=DPI, pil_kwargs={"compress_level": 3})  # as small as 6, in half the time
    return svg.getvalue().decode(), png.getvalue()


@contextlib.contextmanager
def _writing(figures: Path) -> Iterator[None]:
    """What the system refuses of the figures, as a sentence about the report."""
    try:
        yield
    except OSError as error:
        raise unwritable(f"the report in {figures.parent}", error) from error


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
