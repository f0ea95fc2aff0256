"""The site builds without a warning, and has what it promises: every public name, measure, status and file that it names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import jaxsim
from jaxsim import Status
from jaxsim.measures.catalogue import CATALOGUE, GROUPS, REJECTIONS
from jaxsim.measures.prediction import PREDICTION

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "made" not in path.relative_to(DOCS).parts]
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]


class Page(HTMLParser):
    """Links, anchors and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.names, self.pictures = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in ("img", "script") and given.get("src"):
            self.pictures.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.pictures.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as ``make docs`` builds it."""
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        str(out / "trees"),
        str(DOCS),
        str(out / "html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    (out / "html" / "_static" / "webpack-macros.html").unlink()  # a template of the theme, which no page shows
    return out / "html"


def test_every_link_of_the_site_leads_somewhere(site):
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) > 150  # a page for each public name, and source files
    dead = []
    for path, page in pages.items():
        for link in (*page.links, *page.pictures):
            if re.match(r"(https?|mailto|data):", link):
                continue
            name, _, anchor = link.partition("#")
            there = (path.parent / name.partition("?")[0]).resolve() if name else path
            if not there.exists() or (anchor and there in pages and anchor not in pages[there].names):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert not dead


def test_nothing_is_asked_of_other_places_when_a_page_opens(site):
    asked = {
        source for path in site.rglob("*.html") for source in Page(path.read_text()).pictures if re.match(r"(https?:)?//", source)
    }
    assert not asked


def test_code_of_the_site_is_that_of_the_pages(site):
    assert "from jaxsim import Design" in re.sub(r"<[^>]*>", "", (site / "how-to" / "how-many.html").read_text())


def test_every_public_name_is_in_the_reference_once():
    listed = re.compile(r"^   (\w+)$", re.MULTILINE)
    found = Counter(name for path in (DOCS / "reference").glob("*.md") for name in listed.findall(path.read_text()))
    assert {name for name, times in found.items() if times > 1} == set()
    assert set(found) - {"check_process", "check_estimator"} == set(jaxsim.__all__)


def test_every_measure_and_every_command_has_its_place():
    text = (DOCS / "reference" / "measures.md").read_text()
    missing = [name for name in (*CATALOGUE, *GROUPS, *PREDICTION, *REJECTIONS) if f"`{name}`" not in text]
    assert not missing


def test_every_status_is_on_the_site(site):
    text = (site / "reference" / "statuses.html").read_text()
    assert [one.label for one in Status if f">{one.label}<" not in text] == []


@pytest.mark.parametrize("path", [*PAGES, *OTHERS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(path):
    text = path.read_text()
    links = [target for target in re.findall(r"\]\(([^)\s#]+)", text) if not re.match(r"[a-z]+:", target)]
    made = [target for target in links if "made/" in target]
    gone = [target for target in links if target not in made and not (path.parent / target).exists()]
    named = re.findall(r"`((?:jaxsim|tests|experiments|notebooks|benchmarks|docs|scripts)/[\w/.-]+)`", text)
    if path.name != "CHANGELOG.md":  # which tells of files that were
        gone += [name for name in named if "_build" not in name and not (ROOT / name).exists()]
    assert not gone


def test_experiments_show_the_pictures_that_there_are(site):
    """Each has one: of those that ``docs/draw.py`` draws, and of those whose results are stored; no other picture lies there."""
    page = Page((site / "gallery.html").read_text())
    shown = {Path(picture).name for picture in page.pictures}
    lying = {path.name for path in (DOCS / "pictures" / "experiments").glob("*.png")}
    asked = re.search(r"EXPERIMENTS: .*?\n}", (DOCS / "draw.py").read_text(), re.DOTALL)
    assert asked is not None
    assert {f"{name}.png" for name in re.findall(r'^    "(\w+)": ', asked.group(), re.MULTILINE)} == lying
    assert {*lying, "coverage.png", "massive_coverage_map.png", "sbc.png"} <= shown
    drawn = {Path(name).stem for name in lying} | {"seed_grid", "massive_grid", "sbc"}
    assert drawn == {path.stem for path in (ROOT / "experiments").glob("*.py")}
    text = re.sub(r"<[^>]*>", "", (site / "gallery.html").read_text())
    assert "from 1,000 datasets of each cell, in a part of the grid: units.subject 48; units.item 8; effects.cond 0." in text


def test_pictures_of_experiments_are_of_what_these_have(monkeypatch):
    """Figures that there are, of parts of the grid and of strategies that the experiment has."""
    monkeypatch.syspath_prepend(str(DOCS))
    import draw  # noqa: PLC0415 - lies beside the pages

    for name, drawing in draw.EXPERIMENTS.items():
        study = draw.study_of(ROOT / "experiments" / f"{name}.py")
        grid, labels = dict(study.grid.factors), [strategy.name for strategy in study.estimators]
        assert drawing.figure in draw.FIGURES
        assert all(set(levels) <= set(grid[factor]) for factor, levels in drawing.levels.items()), name
        small = drawing.of(study)
        assert {strategy.name for strategy in small.estimators} == set(drawing.options.get("strategies", labels)), name
        assert small.replicates == drawing.replicates
