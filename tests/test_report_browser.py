"""The report in a real browser: at the widths of a desk and a telephone, in light and dark, by keyboard, on paper, offline."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shutil
from typing import Any

import pytest
from made_up import results_of
from outside import absent

from jaxsim import GaussianMultilevel, Grid, LinearMixed, report

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
CONTRAST = 4.5  # WCAG 2.2, 1.4.3 (AA): the least for text of any size but the largest
A4 = 680  # CSS pixels of 21 cm less two margins of 1.5 cm, at 96 to the inch
LEVELS = {"n_groups": [5, 10], "n_obs": [5, 50]}

# Text with the contrast of its colour with the first opaque background behind it, as browsers compute them; the poorest first.
LEGIBILITY = """
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 1;
const context = canvas.getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
};
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const contrast = (a, b) => {
    const [low, high] = [luminance(rgba(a)), luminance(rgba(b))].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
};
const behind = (node) => {
    const colour = node ? getComputedStyle(node).backgroundColor : "white";
    return rgba(colour)[3] === 255 ? colour : behind(node.parentElement);
};
const texts = [...document.querySelectorAll("body *")].filter((node) =>
    !["SCRIPT", "desc", "OPTION"].includes(node.tagName) && node.checkVisibility() &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
const found = texts.map((node) => {
    const style = getComputedStyle(node);
    const colour = node instanceof SVGElement ? style.fill : style.color;
    return [contrast(colour, behind(node)), node.tagName, node.textContent.trim().slice(0, 40), colour];
});
return found.sort((a, b) => a[0] - b[0]);
"""


@dataclasses.dataclass
class Sight:
    """A page that is open, and what it asked for and complained of."""

    page: Any
    asked: list[str]
    complaints: list[str]

    def ask(self, script):
        return self.page.evaluate(f"(() => {{ {script} }})()")

    def rows(self, section):
        """Visible rows of a section's first table, as lists of texts."""
        return self.ask(
            f"""const table = document.querySelector("#{section} table");
            return [...table.tBodies[0].rows].filter((row) => !row.hidden)
                .map((row) => [...row.cells].map((cell) => cell.textContent.trim().replaceAll("\\u00a0", " ")));"""
        )

    def status(self):
        return self.page.locator("#filters output").inner_text()


@pytest.fixture(scope="module")
def browser():
    """Chromium; without it the tests are skipped, or fail where it is required (``JAXSIM_REQUIRE_CHROMIUM=1``)."""
    required = "JAXSIM_REQUIRE_CHROMIUM"
    try:
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - may be absent
    except ImportError:
        absent("needs playwright (pip install playwright)", required)
    program = shutil.which("chromium")
    if program is None:
        absent("needs chromium (scripts/install_chromium.sh installs it)", required)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except Error as error:  # Ubuntu's chromium is a stub that wants snap
            absent(f"chromium does not start: {error}", required)
        yield started
        started.close()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four cells with an effect and none; one strategy is too sure, one is singular at times and fails at times."""

    def status(model, cell, replicate):
        if model != "lmer":
            return "ok"
        return "not_converged" if (cell, replicate % 3) == (1, 0) else "singular" if replicate % 2 else "ok"

    process = GaussianMultilevel(n_predictors=2, fixed_effects=(0, 0.5, 0))
    folder = tmp_path_factory.mktemp("browser") / "a study"
    return results_of(folder, LEVELS, replicates=24, process=process, status=status, spread={"ols": 0.7})


@pytest.fixture(scope="module")
def index(results):
    return report.write(results)


@pytest.fixture(scope="module")
def sights(browser, index):
    """The page at each width in each scheme, opened once."""
    opened = {}

    def see(width, scheme="light", **options):
        key = (width, scheme, *sorted(options.items()))
        if key not in opened:
            context = browser.new_context(
                viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce", **options
            )
            sight = Sight(context.new_page(), [], [])
            sight.page.on("request", lambda request: sight.asked.append(request.url))
            sight.page.on("console", lambda message: sight.complaints.append(message.text))
            sight.page.on("pageerror", lambda error: sight.complaints.append(str(error)))
            sight.page.goto(index.as_uri())
            opened[key] = sight
        return opened[key]

    return see


@pytest.fixture
def desk(sights):
    """The page of a desk, as it is when it is opened."""
    sight = sights(1280)
    sight.page.reload()
    return sight


EVERYWHERE = pytest.mark.parametrize(("width", "scheme"), list(itertools.product(WIDTHS, SCHEMES)))


@EVERYWHERE
def test_the_page_never_scrolls_sideways(sights, width, scheme):
    sight = sights(width, scheme)
    assert sight.ask("return document.documentElement.scrollWidth") == width
    beyond = """return [...document.querySelectorAll("main *")]
        .filter((node) => node.checkVisibility() && !node.closest(".scroll, .plot"))
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML.slice(0, 80));"""
    assert sight.ask(beyond) == []
    if width == 390:
        assert sight.ask(
            """return [...document.querySelectorAll(".scroll, .plot")].some((box) => box.scrollWidth > box.clientWidth)"""
        )


@EVERYWHERE
def test_text_is_legible(sights, width, scheme):
    texts = sights(width, scheme).ask(LEGIBILITY)
    assert len(texts) > 300
    assert {"text", "TD", "P", "BUTTON", "A"} <= {tag for _, tag, *_ in texts}
    assert texts[0][0] >= CONTRAST, texts[:3]


@EVERYWHERE
def test_nothing_is_asked_for_and_nothing_complains(sights, index, width, scheme):
    sight = sights(width, scheme)
    sight.page.select_option("select[name=model]", "lmer")
    sight.page.locator("#headline th button").first.click()
    assert set(sight.asked) == {index.as_uri()}
    assert sight.complaints == []
    sight.page.reload()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_navigation_stays_and_hides_nothing(sights, width):
    sight = sights(width)
    targets = sight.ask(
        """return [...document.querySelectorAll("nav a")].filter((a) => a.checkVisibility()).map((a) => a.hash.slice(1))"""
    )
    assert len(targets) >= (20 if width == 1280 else 8)
    for target in targets:
        sight.page.evaluate("id => { location.hash = id; }", target)
        box = """return [document.querySelector("nav"), document.getElementById(decodeURIComponent(location.hash.slice(1)))]
            .map((node) => node.getBoundingClientRect()).map((box) => [box.left, box.top, box.right, box.bottom]);"""
        (left, top, right, bottom), (x, y, *_) = sight.ask(box)
        assert (left, round(top)) == (0, 0)
        assert x >= right if width == 1280 else y >= bottom
        assert y < 844
    assert bottom < 60 or width == 1280  # the compact one is a strip
    current = '[...document.querySelectorAll("nav [aria-current]")].map((link) => link.hash).join()'
    sight.page.wait_for_function(f"() => {current} === '#provenance'")
    assert sight.ask("return document.querySelector('nav [aria-current]').getBoundingClientRect().right") <= width
    sight.page.evaluate("() => { location.hash = '#design'; }")
    sight.page.wait_for_function(f"() => {current} === '#design'")
    sight.page.evaluate("() => { location.hash = ''; scrollTo(0, 0); }")


def test_every_link_leads_somewhere(desk, index):
    links = desk.ask("return [...document.links].map((link) => link.getAttribute('href'))")
    ids = set(desk.ask("return [...document.querySelectorAll('[id]')].map((node) => node.id)"))
    assert len(links) > 40
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (index.parent / link).is_file()


def test_figures_have_names_and_words(desk, results):
    figures = desk.page.locator("figure")
    assert figures.count() == len(list((results.out / "report" / "figures").glob("*.svg"))) > 8
    for k in range(figures.count()):
        title = figures.nth(k).locator("h3").inner_text()
        told = re.compile(rf"^{re.escape(title)} .*: .*(\d|no number)")  # the title, and numbers of the figure
        assert figures.nth(k).get_by_role("img", name=told).count() == 1
    each = results.measures(["model", "n_groups", "n_obs", "term"], measures=["coverage"], terms=["IV1", "IV2"])
    covered = each.groupby("model")["value"]
    words = desk.page.locator("#coverage desc").text_content()
    assert all(f"{model} {values.min():.3g} to {values.max():.3g}" in words for model, values in covered)


def test_tables_follow_the_filters(desk, results):
    every = {name: len(desk.rows(name)) for name in ("headline", "cells", "terms")}
    assert every == {"headline": 6, "cells": 36, "terms": 9}
    total = int(desk.status().split()[2])
    desk.page.select_option("select[name='factor n_groups']", "10")
    ten = desk.rows("cells")
    long = results.measures(["n_groups", "n_obs", "term", "model"], measures=["coverage"])
    assert len(ten) == (long["n_groups"] == 10).sum() == 18
    assert {row[0] for row in ten} == {"10"}
    assert desk.status() == f"{total - 18} of {total} table rows shown (groups: 10)."
    assert (
        desk.page.locator("#headline .count").first.inner_text()
        == "6 of 6 rows; not narrowed by groups, which this table does not tell apart."
    )
    desk.page.select_option("select[name='factor n_groups']", "")
    desk.page.select_option("select[name='factor n_obs']", "5")
    assert [row[1] for row in desk.rows("cells")] == ["5"] * 18  # and not 50
    desk.page.select_option("select[name='factor n_obs']", "")
    desk.page.select_option("select[name='factor n_groups']", "10")
    desk.page.select_option("select[name=model]", "lmer")
    desk.page.select_option("select[name=term]", "IV1")
    rows = desk.rows("cells")
    expected = long[(long["n_groups"] == 10) & (long["model"] == "lmer") & (long["term"] == "IV1")]
    assert [row[:4] for row in rows] == [["10", str(n), "IV1", "lmer"] for n in expected["n_obs"]]
    place = desk.ask(
        "return [...document.querySelector('#cells thead tr').cells].findIndex((cell) => cell.textContent == 'coverage')"
    )
    assert [float(re.match(r"[\d.]+", row[place]).group()) for row in rows] == pytest.approx(list(expected["value"]), abs=0.005)
    assert [row[:2] for row in desk.rows("headline")] == [["IV1", "lmer"]]
    assert desk.page.locator("#cells .count").inner_text() == "2 of 36 rows."
    assert desk.page.locator("#narrowed span").inner_text() == (
        "Only groups: 10; strategy: lmer; coefficient: IV1 (in tables; figures show all cells and coefficients)"
    )
    assert desk.page.locator("output[aria-live=polite]").count() == 1
    desk.page.locator("#narrowed button").click()
    desk.page.wait_for_function("() => document.querySelector('#narrowed').hidden")
    assert {name: len(desk.rows(name)) for name in every} == every
    assert desk.status() == f"{total} of {total} table rows shown."


def test_figures_follow_the_choice_of_a_strategy(desk):
    faded = """return Object.fromEntries([0, 1, 2].map((k) => {
        const parts = [...document.querySelectorAll(`#coverage .strategy-${k}`)];
        return [k, [parts.length, parts.filter((part) => part.classList.contains("faded")).length]];
    }));"""
    counts = {k: found for k, (found, _) in desk.ask(faded).items()}
    assert set(counts.values()) == {10}  # points and intervals in two panels of each coefficient, and the legend's mark and word
    desk.page.select_option("select[name=model]", "lm2")
    assert desk.ask(faded) == {k: [n, 0 if k == "1" else n] for k, n in counts.items()}
    note = desk.page.locator("#figures-note")
    assert note.inner_text() == "Strategies other than lm2 are faded."
    desk.page.select_option("select[name=term]", "IV1")
    assert note.inner_text().endswith("faded. Figures show all cells and coefficients, whatever tables are narrowed to.")
    desk.page.select_option("select[name=term]", "")
    desk.page.select_option("select[name=model]", "")
    assert desk.ask(faded) == {k: [n, 0] for k, n in counts.items()}


def test_sorting_is_by_number(desk):
    rows, head = desk.rows("cells"), desk.page.locator("#cells thead th")
    titles = [text.replace("\n", "") for text in head.all_inner_texts()]
    bias = titles.index("bias")
    number = [float(row[bias].split()[0].replace("\N{MINUS SIGN}", "-")) for row in rows]
    assert min(number) < 0 < max(number)
    button = head.nth(bias).locator("button")
    button.click()
    assert [row[bias] for row in desk.rows("cells")] == [rows[k][bias] for k in sorted(range(36), key=lambda k: number[k])]
    assert head.nth(bias).get_attribute("aria-sort") == "ascending"
    button.click()
    assert [row[bias] for row in desk.rows("cells")] == [rows[k][bias] for k in sorted(range(36), key=lambda k: -number[k])]
    assert head.nth(bias).get_attribute("aria-sort") == "descending"
    head.nth(0).locator("button").click()  # 5 before 10, though "10" is before "5"
    assert [row[0] for row in desk.rows("cells")] == ["5"] * 18 + ["10"] * 18
    assert [head.nth(k).get_attribute("aria-sort") for k in (0, bias)] == ["ascending", "none"]
    power = titles.index("power")
    head.nth(power).locator("button").click()
    shown = [row[power] for row in desk.rows("cells")]
    assert shown[12:] == ["–"] * 24  # where there is no number, last
    values = [float(re.match(r"[\d.]+", text).group()) for text in shown[:12]]
    assert values == sorted(values)
    head.nth(power).locator("button").click()
    assert [row[power] for row in desk.rows("cells")][12:] == ["–"] * 24
    head.nth(power).locator("button").click()
    assert desk.rows("cells") == rows  # as it was


def test_everything_works_by_keyboard(desk):
    page = desk.page
    page.keyboard.press("Tab")
    assert desk.ask("return document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert desk.ask("return document.activeElement.name") == "factor n_groups"
    page.keyboard.press("ArrowDown")
    assert "(groups: 5)" in desk.status()
    for _ in range(len(LEVELS) + 2):
        page.keyboard.press("Tab")
    assert desk.ask("return document.activeElement.textContent") == "Show all"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#narrowed').hidden")
    page.keyboard.press("Tab")
    assert desk.ask("return document.activeElement.textContent") == "coefficient"  # the table itself has nothing to scroll
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert [row[1] for row in desk.rows("headline")] == ["lm2", "lm2", "lmer", "lmer", "ols", "ols"]
    assert desk.ask("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.get_by_role("columnheader", name="strategy", exact=True).count() > 3  # arrows are no part of a name
    assert page.locator("#headline").get_by_role("button", name="RMSE", exact=True).count() == 2  # both policies


@pytest.mark.parametrize("width", WIDTHS)
def test_the_keyboard_reaches_what_scrolls_and_stops_nowhere_else(sights, width):
    boxes = sights(width).ask(
        """return [...document.querySelectorAll(".scroll, .plot")].map((box) =>
            [box.tabIndex === 0, box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight]);"""
    )
    assert all(stop == scrolls for stop, scrolls in boxes)
    assert {stop for stop, _ in boxes} == {True, False}


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_are_as_wide_as_the_page_and_the_first_table_can_be_seen_whole(sights, width):
    seen = sights(width)
    assert seen.ask("return [...document.querySelectorAll('.plot')].every((box) => box.scrollWidth <= box.clientWidth)")
    first = "return [...document.querySelectorAll('#headline .scroll')].every((box) => box.scrollWidth <= box.clientWidth)"
    assert seen.ask(first) == (width == 1280)


CUT = """return [...document.querySelectorAll(".scroll")].map((box) => {
    const [wide, hint] = [box.parentElement, box.nextElementSibling];
    const edge = (side) => getComputedStyle(wide, side).visibility === "visible";
    const end = box.getBoundingClientRect().left + box.clientWidth + 1;
    const beyond = [...box.querySelectorAll("thead th")].filter((head) => head.getBoundingClientRect().right > end);
    return [box.scrollWidth > box.clientWidth, edge("::before"), edge("::after"), hint.innerText, beyond.length];
});"""


@EVERYWHERE
def test_a_table_that_is_cut_says_so_in_words_and_at_its_edge(sights, width, scheme):
    sight = sights(width, scheme)
    told = sight.ask(CUT)
    assert {wide for wide, *_ in told} == ({True, False} if width == 1280 else {True})
    for wide, before, after, hint, beyond in told:
        columns = f"{beyond} more column{'s' * (beyond != 1)}"
        assert (before, after, hint) == (False, wide, f"Scroll: {columns} to the right →" if wide else "")
        assert (beyond > 0) == wide
    sight.ask("for (const box of document.querySelectorAll('#cells .scroll')) box.scrollLeft = 1e6;")
    sight.page.wait_for_function("() => document.querySelector('#cells .more').innerText.endsWith('to the left ←')")
    ((_, _, after, _, _),) = [one for one in sight.ask(CUT) if "left" in one[3]]
    assert not after
    region = sight.page.get_by_role("region", name="Every cell, table")
    assert region.get_attribute("tabindex") == "0"
    sight.ask("document.querySelector('#cells .scroll').scrollLeft = 0;")
    sight.page.wait_for_function("() => document.querySelector('#cells .more').innerText.endsWith('to the right →')")


def test_the_first_table_of_one_coefficient_fits_a_desk(browser, tmp_path):
    """All measures, and names as people give them."""
    names = ("ordinary least squares", "random intercepts", "random slopes", "two-stage")
    strategies = tuple(LinearMixed(label=name) for name in names)
    grid = Grid(n_groups=[5, 10], effect=[0, 10.0]).linked(lambda effect, **_: {"fixed_effects": (0, effect)})
    process = GaussianMultilevel(n_predictors=1)
    status = lambda model, cell, replicate: "singular" if replicate % 9 else "ok"  # noqa: E731 - a word for each fit
    made = results_of(tmp_path / "run", grid, strategies, replicates=24, process=process, status=status)
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    page = context.new_page()
    page.goto(report.write(made).as_uri())
    columns = page.locator("#headline thead th").all_inner_texts()
    assert {"type I error", "power", "failed"} <= {name.replace("\n", " ").strip() for name in columns}
    boxes = page.evaluate("[...document.querySelectorAll('#headline .scroll')].map((box) => [box.scrollWidth, box.clientWidth])")
    assert all(wide <= room for wide, room in boxes), boxes
    context.close()


def test_without_scripts_everything_is_there(sights, desk):
    plain = sights(390, java_script_enabled=False).page
    assert not plain.locator("#filters").is_visible()
    assert plain.locator("th button").count() == 0
    assert plain.locator("tbody tr").count() == desk.page.locator("tbody tr:visible").count() > 50
    assert plain.locator("svg[role=img]").count() == desk.page.locator("svg[role=img]").count()


def test_paper_has_no_controls_and_cuts_nothing(browser, index, tmp_path):
    context = browser.new_context(viewport={"width": A4, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    page.goto(index.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    for control in ("nav", "form", "#narrowed", ".skip", "figcaption a"):
        assert not page.locator(control).first.is_visible()
    cut = """() => [...document.querySelectorAll(".scroll, .plot")].filter((box) => box.checkVisibility())
        .map((box) => [box.getAttribute("aria-label"), box.firstElementChild.getBoundingClientRect().right - innerWidth,
                       box.scrollHeight - box.clientHeight])
        .filter(([_, right, below]) => right > 1 || below > 1)"""
    assert page.evaluate(cut) == []
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("() => document.documentElement.scrollWidth") <= A4
    texts = page.evaluate(f"(() => {{ {LEGIBILITY} }})()")
    assert len(texts) > 300
    assert texts[0][0] >= CONTRAST, texts[:3]
    page.emulate_media(media="screen")
    page.select_option("select[name=model]", "lmer")
    page.emulate_media(media="print")
    assert page.locator("#narrowed").inner_text() == "Only strategy: lmer"  # paper says what it leaves out
    assert page.locator("#cells tbody tr:visible").count() == 12
    written = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert written.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", written)) > 3
    context.close()


def test_words_of_a_study_do_nothing_in_the_page(browser, tmp_path):
    """A label that would run, close the script or break a filter is text."""
    from jaxsim import PooledOLS  # noqa: PLC0415

    label = "</script><img src=x onerror=alert(1)>\"'"
    results = results_of(tmp_path / "run", {"n_groups": [5, 10]}, (PooledOLS(label=label), PooledOLS(label="b")), replicates=2)
    context = browser.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    written = report.write(results)
    page.goto(written.as_uri())
    assert page.locator("img").count() == 0
    page.select_option("select[name=model]", label)
    assert page.locator("#headline tbody tr:visible").count() == 1
    assert page.locator("#headline tbody tr:visible th").inner_text() == label
    assert asked == [written.as_uri()]
    context.close()
