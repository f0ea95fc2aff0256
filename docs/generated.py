"""What the site takes from elsewhere in the repository: notebooks, benchmarks, experiments, and tables that code knows best.

Pages link to files as they lie in the repository, so that they can be read there, too; here such links become links to pages. All
that is generated lies in folders that git ignores.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import draw

from jaxsim import Status
from jaxsim.cli.main import main
from jaxsim.report import FIGURES

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MADE = DOCS / "made"
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
# Pictures of experiments that are drawn from stored results.
STORED = {"seed_grid": "coverage", "massive_grid": "massive_coverage_map", "sbc": "sbc"}
# Where files of the repository are on the site: a pattern of their path, and the page that has them.
PAGES = {
    r"notebooks/(\w+)\.ipynb": r"/made/tutorials/\1.ipynb",
    r"benchmarks/results/([\w-]+)\.md": r"/made/speed/\1.md",
    r"benchmarks/?(README\.md)?": "/made/speed/index.md",
    r"experiments/(\w+)\.py": r"/gallery.md#experiment-\1",
    r"CHANGELOG\.md": "/made/changelog.md",
    r"docs/(.+)": r"/\1",
}


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this once."""
    app.connect("config-inited", lambda *_: generate())
    app.connect("source-read", lambda app, page, source: source.__setitem__(0, linked(source[0], Path(app.env.doc2path(page)))))
    app.connect("autodoc-process-docstring", untyped, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def untyped(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Keep Napoleon from reading ``the folder: its path`` in the docstring of a property as a type and a description."""
    if what in ("attribute", "property"):
        lines.insert(0, "")


def generate() -> None:
    """Write everything that is generated."""
    shutil.rmtree(MADE, ignore_errors=True)
    copied(sorted((ROOT / "notebooks").glob("*.ipynb")), MADE / "tutorials")
    copied(sorted((ROOT / "benchmarks" / "results").glob("*.md")), MADE / "speed")
    copied(sorted((ROOT / "benchmarks" / "results").glob("*.png")), MADE / "speed")
    copied([ROOT / "CHANGELOG.md"], MADE)
    (MADE / "CHANGELOG.md").rename(MADE / "changelog.md")
    contents = "\n".join(sorted(path.stem for path in (MADE / "speed").glob("*.md")))
    speed = (ROOT / "benchmarks" / "README.md").read_text().replace("# Benchmarks", "# Speed", 1)
    (MADE / "speed" / "index.md").write_text(f"{speed}\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n")
    for name, lines in {"statuses": statuses(), "commands": commands(), "experiments": experiments(), "figures": figures()}.items():
        (MADE / f"{name}.txt").write_text("\n".join(lines) + "\n")


def copied(files: Iterable[Path], folder: Path) -> None:
    """Copy files, and turn links of pages to other files into links of the site."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.copy(path, folder / path.name)


def linked(text: str, page: Path) -> str:
    """A page whose links to files of the repository are links to the site's pages, or plain text where it has none."""
    place = ROOT / "benchmarks" / ("" if page.stem == "index" else "results") if page.parent == MADE / "speed" else page.parent
    place = {MADE: ROOT, MADE / "tutorials": ROOT / "notebooks"}.get(page.parent, place)

    def on_site(found: re.Match[str]) -> str:
        target, whole = found["target"], found[0]
        if found["image"] or re.match(r"[a-z]+:|/", target) or not target:
            return whole
        path = (place / target).resolve()
        if not path.exists():
            return whole  # Sphinx says so
        inside = path.relative_to(ROOT).as_posix()
        for pattern, there in PAGES.items():
            if re.fullmatch(pattern, inside):
                return f"[{found['text']}]({re.sub(pattern, there, inside)}{'' if '#' in there else found['anchor'] or ''})"
        return found["text"]

    return LINK.sub(on_site, text)


def statuses() -> list[str]:
    """A table of what may become of a fit."""
    rows = [f"| `{one.label}` | {one.message} | {'yes' if one.usable else 'no'} |" for one in Status]
    return ["| status | message | measures count it |", "|---|---|---|", *rows]


def commands() -> list[str]:
    """What ``--help`` prints of each command."""
    os.environ["COLUMNS"] = "110"
    lines = []
    for words in ([], ["run"], ["plan"], ["summary"], ["report"], ["audit"], ["doctor"]):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            main([*words, "--help"])
        lines += [f"## {' '.join(['jaxsim', *words])}", "", "```text", printed.getvalue().rstrip(), "```", ""]
    return lines


def experiments() -> list[str]:
    """Every experiment: what it asks, how to run it, and its script."""
    lines = []
    for path in sorted((ROOT / "experiments").glob("*.py")):
        title, _, text = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")
        text = re.sub(r"(?m)(^    .*\n?|^\n(?=    ))+", fenced, text.replace("``", "`"))
        lines += [f"(experiment-{path.stem})=", f"### {title.strip()}", "", f"`experiments/{path.name}`", ""]
        lines += [*picture(path.stem, title.strip()), "", text, ""]
        lines += [":::{dropdown} The script", "```python", path.read_text().rstrip(), "```", ":::", ""]
    return lines


def picture(name: str, title: str) -> list[str]:
    """The picture of an experiment, and what it is made of; nothing for one without."""
    if name in STORED:
        return [f"![{title}](../notebooks/pictures/{STORED[name]}.png)"]
    if name not in draw.EXPERIMENTS:
        return []
    return [f"![{title}](pictures/experiments/{name}.png)", "", draw.EXPERIMENTS[name].made_of]


def figures() -> list[str]:
    """Every figure of the catalogue: its code, its picture, and how to read it."""
    lines = []
    for name, entry in FIGURES.items():
        lines += [f"### {entry.title}", "", "```python", f"results.plot.{name}()", "```", ""]
        lines += [f"![{entry.title}](pictures/{name}.png)", "", entry.caption, ""]
    return lines


def fenced(found: re.Match[str]) -> str:
    """An indented block as a fenced one."""
    return "\n```text\n" + re.sub(r"(?m)^    ", "", found[0]).strip("\n") + "\n```\n"
