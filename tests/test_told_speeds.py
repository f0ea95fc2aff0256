"""Speeds that the README and the site tell are those of the stored tables."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def numbers(page: str, sentence: str) -> list[float]:
    """Those of a sentence's groups."""
    found = re.search(sentence, (ROOT / page).read_text())
    assert found is not None, f"{page} no longer says {sentence!r}"
    return [float(text.replace(",", "")) for text in found.groups()]


def test_the_readme_tells_how_much_faster_than_lmertest_maximal_models_are():
    (told,) = numbers("README.md", r"some ([\d,]+) times as fast\]\(benchmarks/results/against-lme4-cpu\.md\)")
    fits = pd.read_csv(RESULTS / "against-lme4-cpu.csv").query("model == 'lmer'")
    assert abs(told / (fits["R ms"].sum() / fits["jaxsim ms"].sum()) - 1) < 0.1  # as exact as "some" is


def test_the_site_tells_what_a_further_dataset_takes_beside_a_native_engine():
    low, high = numbers("docs/trust.md", r"takes (\.\d+) to (\.\d+) times the CPU time of MCPower's")
    taken = pd.read_csv(RESULTS / "against-native-runs-cpu.csv").pivot_table("10,000 more", "design", "software")
    ratios = taken["jaxsim"] / taken["mcpower"]
    assert [low, high] == [round(ratios.min(), 2), round(ratios.max(), 2)]
