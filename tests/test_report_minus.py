"""Minus signs of the page: one kind in its tables, sentences and figures, and hyphens where a machine reads."""

from __future__ import annotations

import html
import re

import pytest
from made_up import results_of

from jaxsim import Design, Grid, PooledOLS, between, report, within
from jaxsim.cli.main import main
from jaxsim.report.minus import typeset

MINUS = "\N{MINUS SIGN}"
HYPHEN = re.compile(r"(?<![\w.)-])-\.?\d")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-0.4", "M0.4"),
        ("-.5 and -13.3% (-4 to -2)", "M.5 and M13.3% (M4 to M2)"),
        ("(0, -0.4)", "(0, M0.4)"),
        ("-1e-05", "M1e-05"),
        ("2026-11-30, 2-3, x-1, cross-products, --seed", "2026-11-30, 2-3, x-1, cross-products, --seed"),
    ],
)
def test_a_hyphen_before_a_number_is_a_minus(text, wanted):
    assert typeset(text) == wanted.replace("M", MINUS)
    assert typeset(typeset(text)) == typeset(text)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Effects below zero, also as levels, and a strategy whose name has a hyphen before a number."""
    design = Design(
        "y ~ treat * visit + (1 | patient)",
        units={"patient": 20},
        variables={"treat": between("patient", ("old", "new")), "visit": within(0, 1, 2)},
        effects={"visit": -0.5},
        sd={"patient": {"Intercept": 1}},
        residual_sd=1,
    )
    grid = Grid(**{"effects.treatnew:visit": [0, -0.4], "units.patient": [10, 20, 40]})
    return results_of(tmp_path_factory.mktemp("minus") / "run", grid, (PooledOLS(), PooledOLS(label="lm -2")), 30, process=design)


def test_the_page_has_minus_signs_alone(results, capsys):
    page = report.write(results).read_text()
    body = re.sub(r"<(style|script).*?</\1>|<section id=\"provenance\">.*?</section>", "", page, flags=re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]*>", "|", body)).replace("lm -2", "")
    assert HYPHEN.findall(words) == []
    assert words.count(MINUS) > 50
    assert f'<option value="{MINUS}0.4">{MINUS}0.4</option>' in page
    assert f">{MINUS}0.4<" in page.split('id="cells"')[1]  # the same text, which the filter looks for
    assert page.count(">lm -2<") > 4  # a name is as it was given
    assert main(["summary", str(results.out)]) == 0
    assert MINUS not in capsys.readouterr().out
    assert MINUS not in results.measures().to_csv()
