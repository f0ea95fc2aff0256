"""Folders that jaxsim 0.3.0 wrote: they are read, summarised and reported, and not completed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest

import jaxsim
from jaxsim import InputError
from jaxsim.cli.main import main

STORED = Path(__file__).parent / "reference" / "results_0_3_0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the stored folder: reports are written beside results."""
    place = tmp_path_factory.mktemp("old") / "results"
    shutil.copytree(STORED, place)
    return place


def test_its_tables(folder):
    results = jaxsim.load(folder)
    assert results.progress == (8, 8)
    assert {"sd_Intercept", "sd_IV1", "cor_Intercept_IV1"} <= set(results.fits.columns), "the names that 0.3.0 had"
    assert results.fits.loc[results.fits["model"] == "lmer", "sd_IV1"].notna().all()
    assert results.estimates["group_mse"].notna().any()


def test_its_measures_are_those_that_it_gave(folder):
    """Of the same stored numbers, by the same formulas; other sums of some numbers may round otherwise."""
    key = ["model", "n_groups", "group_sd", "term", "measure"]
    then = pd.read_csv(STORED / "measures.csv").set_index(key)
    now = jaxsim.load(folder).measures().astype({"model": str, "term": str}).set_index(key).loc[then.index]
    pd.testing.assert_frame_equal(now[["value", "mcse", "low", "high"]], then[["value", "mcse", "low", "high"]], rtol=1e-12)


def test_its_summary_and_report(folder, capsys):
    assert main(["summary", str(folder)]) == 0
    assert "group RMSE" in capsys.readouterr().out
    assert main(["report", str(folder)]) == 0
    assert (folder / "report" / "index.html").stat().st_size > 100_000


def test_variance_components_have_no_truths(folder):
    with pytest.raises(InputError, match=r"no strategy estimates a variance component whose true value is stored.*0\.4 or newer"):
        jaxsim.load(folder).components()


def test_it_is_not_completed(folder):
    """Its columns have other names: half of the rows would lack the one half, half the other."""
    study = jaxsim.load(folder).study
    with pytest.raises(InputError, match=r"was computed by jaxsim 0\.3\.0, .*can be read, not completed"):
        dataclasses.replace(study, replicates=5).run(folder, progress=False)
