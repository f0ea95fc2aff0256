"""Defaults that a user need not know of, and sentences that say what to do instead of what was asked for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import jaxsim
from jaxsim import Design, GaussianMultilevel, Grid, InputError, LinearMixed, OwnMeasure, PooledOLS, Study, Until, between, within
from jaxsim.cli.main import main
from jaxsim.errors import advised, meant, suggestion


class TestTheDefaultRandomPart:
    """A predictor that is constant within groups cannot have a slope that varies between them."""

    PROCESS = GaussianMultilevel(
        n_groups=30, n_obs=15, n_predictors=2, n_between=1, fixed_effects=(0.0, 0.2, 0.25), group_sd=(0.5**0.5, 0.2),
        residual_sd=0.5**0.5,
    )  # fmt: skip

    def test_has_the_power_of_the_model_without_that_slope(self, tmp_path):
        strategies = (LinearMixed(), LinearMixed(random=("Intercept", "IV1"), label="named"))
        results = Study(self.PROCESS, Grid(), strategies, replicates=200, seed=16).run(tmp_path / "out", progress=False)
        fits = results.estimates.drop(columns="model")
        default, named = (fits[results.estimates["model"] == name].reset_index(drop=True) for name in ("lmer", "named"))
        assert default.equals(named)
        power = results.measures(measures=["power"], terms=["IV2"]).set_index("model").loc["lmer"]
        # .425 with 800 datasets; the standard error of 200 is .035.
        assert power["value"] == pytest.approx(0.425, abs=4 * power["mcse"])

    def test_to_name_it_is_refused(self):
        with pytest.raises(InputError, match="'IV2' is one number a group of Group, so its effect cannot differ between groups"):
            Study(self.PROCESS, Grid(), (LinearMixed(random=("Intercept", "IV2")),), replicates=2)


def small(grid=None, replicates=4, **more):
    return Study(
        GaussianMultilevel(n_groups=6, n_obs=5, n_predictors=1),
        grid or Grid(),
        (PooledOLS(),),
        replicates=replicates,
        seed=1,
        **more,
    )


class TestGrids:
    def test_a_factor_that_is_no_field_is_told_of_linked(self):
        with pytest.raises(InputError) as caught:
            small(Grid(icc=[0.1, 0.3]))
        assert "grid factor 'icc' is not a field of GaussianMultilevel" in str(caught.value)
        assert "linked" in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("units.patients", "Did you mean 'units.patient'? Use units.patient."),
            ("units.pupil", "is not a field of Design. Use units.patient."),
            (
                "effects.treat:time",
                "Did you mean 'effects.treatnew:time'? Use effects.Intercept, effects.treatnew, effects.time, eff",
            ),
            ("effects.time:treatnew", "Did you mean 'effects.treatnew:time'?"),
            ("effects.treat", "Did you mean 'effects.treatnew'?"),
            ("sd.patient.tme", "Did you mean 'sd.patient.time'? Use sd.patient.Intercept, sd.patient.time."),
            ("sd.patients.time", "Did you mean 'sd.patient'? Use sd.patient."),
            ("repeat", "Did you mean 'repeats'?"),
        ],
    )
    def test_a_dotted_factor_with_a_mistake_in_its_name(self, name, words):
        variables = {"treat": between("patient", ("usual", "new")), "time": within(0, 1, 2)}
        design = Design("y ~ treat * time + (time | patient)", {"patient": 6}, variables=variables)
        with pytest.raises(InputError, match=re.escape(words)):
            Study(design, Grid(**{name: [1, 2]}), (PooledOLS(),), 2)

    def test_a_factor_with_a_mistake_in_its_name(self):
        with pytest.raises(InputError, match="Did you mean 'n_groups'"):
            small(Grid(n_group=[5, 10]))

    def test_fields_of_a_linked_grid_are_columns_and_levels(self, tmp_path):
        grid = Grid(icc=[0.1, 0.5]).linked(lambda icc: {"group_sd": (icc**0.5, 0.0), "residual_sd": (1 - icc) ** 0.5})
        results = small(grid).run(tmp_path / "out", progress=False)
        table = results.measures(["icc", "residual_sd"], measures=["bias"], terms=["IV1"])
        assert table["residual_sd"].astype(float).to_list() == pytest.approx([0.9**0.5, 0.5**0.5])
        assert len(results.measures(where={"icc": 0.5}, measures=["bias"], terms=["IV1"])) == 1

    def test_a_level_that_is_a_tuple_is_found_by_its_value(self, tmp_path):
        results = small(Grid(fixed_effects=[(0.0, 0.0), (0.0, 0.3)])).run(tmp_path / "out", progress=False)
        found = results.measures(["fixed_effects"], where={"fixed_effects": (0, 0.3)}, measures=["bias"], terms=["IV1"])
        assert len(found) == 1
        assert found["n_used"].to_list() == [4]
        both = results.measures(["fixed_effects"], where={"fixed_effects": [(0, 0.3), (0, 0)]}, measures=["bias"], terms=["IV1"])
        assert len(both) == 2
        with pytest.raises(InputError, match=r"no cell has that; the levels are '0, 0', '0, 0\.3'"):
            results.measures(where={"fixed_effects": (0, 0.4)}, measures=["bias"])


def far(rows):
    return rows.error**2 > 1


class TestStoppingByAnOwnMeasure:
    OWN = OwnMeasure("far", far)

    def test_a_cell_stops_when_its_error_is_small_enough(self, tmp_path):
        study = small(replicates=2000, measures=(self.OWN,), until=Until(far=0.03, minimum=50))
        results = study.run(tmp_path / "out", progress=False, batch=50)
        done = results.progress[0]
        assert 50 <= done < 2000
        table = results.measures(["term"], measures=["far"])
        assert table["mcse"].max() <= 0.03
        assert jaxsim.load(tmp_path / "out").study.until == study.until

    def test_a_measure_that_is_not_known(self):
        with pytest.raises(InputError, match=r"measure of Until='fare' is not known.*Did you mean 'far'\?"):
            small(measures=(self.OWN,), until=Until(fare=0.03))


def test_a_report_of_a_wrong_number_has_the_study_and_the_versions(tmp_path, capsys):
    small().run(tmp_path / "out", progress=False)
    assert main(["doctor", "--report", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    for words in (
        "Which number is wrong",
        "GaussianMultilevel",
        '"n_groups": 6',
        f"jaxsim                        {jaxsim.__version__}",
        "Computed with",
        "jax ",
    ):
        assert words in told, words
    assert main(["doctor", "--report"]) == 0
    assert "## The study" not in capsys.readouterr().out
    assert main(["doctor", "--report", str(tmp_path / "nothing")]) == 2


def test_every_number_of_a_wrong_table_can_be_made_again(tmp_path):
    """What a report asks for: any dataset of a study from its cell and replicate."""
    study = small()
    results = study.run(tmp_path / "out", progress=False)
    frame = study.dataset(0, 2)
    fit = jaxsim.ols("DV ~ IV1", frame)
    own = results.estimates.query("replicate == 2")["estimate"]
    np.testing.assert_allclose(fit.table["estimate"], own, rtol=1e-10)  # rounding of well-conditioned normal equations


class TestWhatWasMeant:
    """Suggestions come before the list of what there is, which may be long."""

    @pytest.mark.parametrize(
        ("given", "options", "near"),
        [
            ("type1", ("bias", "type_s", "type_one_error"), "type_one_error"),
            ("type_1_error", ("type_s", "type_one_error"), "type_one_error"),
            ("TypeI", ("type_s", "coverage"), "type_s"),
            ("subject", ("model", "cell", "units.subject", "effects.day"), "units.subject"),
            ("units.subject", ("subject", "item"), "subject"),
            ("drug", ("Intercept", "drugactive:day", "drugactive"), "drugactive"),
            ("covrage", ("coverage", "cover"), "coverage"),
            ("x", ("xyz", "abc"), None),
            ("nothing", ("coverage",), None),
            (5, ("coverage",), None),
        ],
    )
    def test_which(self, given, options, near):
        assert meant(given, options) == near
        assert suggestion(given, options) == (f" Did you mean {near!r}?" if near else "")

    def test_it_stands_before_the_list(self):
        assert advised("no 'covrage'", "covrage", ["coverage"], "there is coverage") == (
            "no 'covrage'. Did you mean 'coverage'? There is coverage."
        )
        assert advised("no 'x'", "x", ["coverage"], "there is coverage") == "no 'x'; there is coverage."

    def test_nowhere_does_it_stand_behind(self):
        """``{hint}`` at the end of a message is one that was forgotten."""
        package = Path(jaxsim.__file__).parent
        behind = re.compile(r"\{(hint|near)\}\"")
        elsewhere = ("calls.py", "tabled.py")  # what there is comes after all, or nothing is meant
        found = [path.name for path in package.rglob("*.py") if behind.search(path.read_text())]
        assert not [name for name in found if name not in elsewhere]

    def test_on_the_command_line(self, tmp_path, capsys):
        small().run(tmp_path / "out", progress=False)
        for asked, said in (
            (["--measures", "type1"], "Did you mean 'type_one_error'? Use one of"),
            (["--by", "group"], "lines can be made of"),
        ):
            assert main(["summary", str(tmp_path / "out"), *asked]) == 2
            assert said in capsys.readouterr().err
        study = Study(Design("y ~ 1 + (1 | subject)", {"subject": 4}), Grid(**{"units.subject": [4, 6]}), (PooledOLS(),), 2)
        study.run(tmp_path / "by", progress=False)
        assert main(["summary", str(tmp_path / "by"), "--by", "units.subjects"]) == 2
        assert "can be made of. Did you mean 'units.subject'? Use model" in capsys.readouterr().err
