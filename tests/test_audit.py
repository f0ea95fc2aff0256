"""The audit: a sample of stored fits against lme4, differences explained or blamed."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import jaxsim
from jaxsim import Design, GaussianMultilevel, Grid, InputError, LinearMixed, PooledOLS, Study, nested, within
from jaxsim.audit import audit, run
from jaxsim.audit import table as summary
from jaxsim.audit.compare import CRITERION, Verdict, is_its_own, lme4_df, plain
from jaxsim.audit.sample import draw
from jaxsim.cli.main import main
from jaxsim.r.outcome import Outcome, RandomEffects
from jaxsim.status import Status

STUDY = Study(
    GaussianMultilevel(n_groups=8, n_obs=6, n_predictors=1),
    Grid(group_sd=[0.0, 1.5]),
    (PooledOLS(), LinearMixed(), LinearMixed(random=("Intercept",), df="residual", reml=False, label="ml")),
    replicates=6,
    seed=4,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit") / "results"
    STUDY.run(folder, progress=False)
    return folder


@pytest.fixture
def results(finished):
    results = jaxsim.load(finished)
    for name in results.folder.place.names():
        if name.startswith("audit-"):
            results.folder.place.remove(name)
    return results


def test_robust_errors_are_not_lme4s():
    """Estimates and variances are compared, standard errors and degrees of freedom are not."""
    for df in ("satterthwaite", "normal"):
        model, robust = LinearMixed(df=df), LinearMixed(vcov="CR2", df=df)
        assert (lme4_df(model) is not None) or plain(model)
        assert lme4_df(robust) is None
        assert not plain(robust)


class Echo:
    """Stands for lme4: answers with our own stored fit, changed by ``change(effort, fit) -> dict`` or by another status."""

    versions = {"lme4": "1.1-31"}  # noqa: RUF012

    def __init__(self, results, change=lambda effort, fit: {}):
        self.change = change
        self.fits = {(self.key(results.study.dataset(f.cell, f.replicate)), f.strategy.reml): f for f in draw(results, 99, 0)}

    @staticmethod
    def key(rows):
        return rows["DV"].to_numpy().tobytes()

    def __call__(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def map(self, requests):
        for request in requests:
            yield self.answer(request)

    def answer(self, request):
        fit = self.fits[self.key(request.data), request.reml]
        names = tuple("(Intercept)" if t == "Intercept" else t for t in STUDY.process.terms)
        (covariance,) = fit.covariance
        q = len(covariance)
        random = RandomEffects("Group", (), names[:q], covariance, np.zeros((0, q)), np.zeros((0, q, q)))
        fields = {name: getattr(fit, name) for name in ("singular", "criterion", "sigma", "estimate", "std_error", "df")}
        fields |= dict(
            status=Status[fit.status.upper()], converged=True, terms=names, vcov=np.eye(2), random=(random,), iterations=1.0
        )
        fields["theta"] = np.zeros(q * (q + 1) // 2)
        return Outcome(**{**fields, **self.change(request.effort, fit)})


def looked(results, monkeypatch, change=lambda effort, fit: {}, per_cell=2):
    monkeypatch.setattr(run, "Pool", Echo(results, change))
    return audit(results, per_cell, progress=False)


def test_the_same_numbers_agree(results, monkeypatch):
    table = looked(results, monkeypatch)
    assert set(table["verdict"]) == {"agrees"}
    assert not table["ours"].any()
    assert table.groupby(["cell", "model"]).size().eq(2).all()
    assert set(table["model"]) == {"lmer", "ml"}  # regressions are not lme4's business
    assert table.loc[table["model"] == "ml", "df"].isna().all()  # lme4 has no residual degrees of freedom
    assert table.loc[table["model"] == "lmer", "df"].notna().all()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda effort, fit: {"criterion": fit.criterion + 0.3 * (effort == "default")}, Verdict.STOPPED_SHORT),
        (lambda effort, fit: {"criterion": fit.criterion + 0.3 * (effort != "best")}, Verdict.STOPPED_SHORT),
        (lambda effort, fit: {"criterion": fit.criterion + 0.3}, Verdict.LME4_HIGHER),
        (lambda effort, fit: {"criterion": fit.criterion - 2 * CRITERION}, Verdict.OURS_HIGHER),
        (lambda effort, fit: {"estimate": fit.estimate + 0.01 * fit.std_error}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"std_error": fit.std_error * 1.01}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"singular": not fit.singular}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"sigma": 3 * fit.sigma}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"std_error": np.full(2, np.nan)}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"criterion": np.nan}, Verdict.NUMBERS_DIFFER),
        (lambda effort, fit: {"status": Status.REFUSED}, Verdict.NO_LME4),
        (lambda effort, fit: {"status": Status.REFUSED} if effort == "default" else {}, Verdict.STOPPED_SHORT),
        (lambda effort, fit: {"status": Status.RANK_DEFICIENT}, Verdict.ONLY_OURS),
        (lambda effort, fit: {"status": Status.NOT_CONVERGED} if effort == "default" else {}, Verdict.STOPPED_SHORT),
    ],
)
def test_every_difference_has_its_verdict(results, monkeypatch, change, verdict):
    table = looked(results, monkeypatch, change)
    assert set(table["verdict"]) == {verdict.value}
    assert table["ours"].eq(verdict.ours).all()


@pytest.mark.parametrize("what", ["criterion", "estimate", "std_error"])
def test_a_criterion_that_is_too_low_is_no_excuse(results, monkeypatch, what):
    """ "lme4 in a higher optimum" is believed only if our numbers are those of the model's definition at our own variances."""
    monkeypatch.setattr(run, "Pool", Echo(results, lambda effort, fit: {"criterion": fit.criterion + 0.3}))
    honest = audit(results, 2, progress=False)
    assert set(honest["verdict"]) == {Verdict.LME4_HIGHER.value}
    falsified = {
        "criterion": lambda fit: fit.criterion - 5,
        "estimate": lambda fit: fit.estimate + 10,
        "std_error": lambda fit: fit.std_error * 7,
    }
    made = [dataclasses.replace(fit, **{what: falsified[what](fit)}) for fit in draw(results, 2, 0)]
    monkeypatch.setattr(run, "draw", lambda *_: made)
    found = audit(results, 2, progress=False)
    assert set(found["verdict"]) == {Verdict.NOT_ITS_OWN.value}
    assert found["ours"].all()


def test_an_audit_that_compared_nothing_does_not_pass(results, monkeypatch, capsys):
    monkeypatch.setattr(run, "Pool", Echo(results, lambda effort, fit: {"status": Status.CRASHED}))
    assert main(["audit", str(results.out), "--per-cell", "1", "--no-report"]) == 3
    shown = capsys.readouterr().out
    assert "INCONCLUSIVE" in shown
    assert "no disagreement is ours" not in shown


def test_the_gap_of_lme4_as_it_comes(results, monkeypatch):
    table = looked(results, monkeypatch, lambda effort, fit: {"criterion": fit.criterion + 0.3 * (effort == "default")})
    np.testing.assert_allclose(table["gap"], 0.3, rtol=1e-9)
    assert set(table["effort"]) == {"tight"}
    assert "stopped up to 0.3 deviance units" in summary.in_words(table)


def test_degrees_of_freedom_of_the_same_name_are_compared(results, monkeypatch):
    table = looked(results, monkeypatch, lambda effort, fit: {"df": fit.df * 1.1}).set_index("model")
    assert set(table.loc["lmer", "verdict"]) == {Verdict.NUMBERS_DIFFER.value}
    assert set(table.loc["ml", "verdict"]) == {Verdict.AGREES.value}


def test_a_fit_that_we_have_not_got(tmp_path, monkeypatch):
    process = dataclasses.replace(STUDY.process, n_obs=2)  # as many rows as random effects
    study = Study(process, Grid(), (LinearMixed(),), replicates=3, seed=1)
    results = study.run(tmp_path / "out", progress=False)
    assert set(results.fits["status"]) == {"too_few_rows"}
    refused = looked(results, monkeypatch, lambda effort, fit: {"status": Status.TOO_FEW_ROWS})
    assert set(refused["verdict"]) == {Verdict.NEITHER.value}
    fitted = looked(results, monkeypatch, lambda effort, fit: {"status": Status.OK, "criterion": 1.0})
    assert set(fitted["verdict"]) == {Verdict.NO_OURS.value}
    assert fitted["ours"].all()


def test_the_draw_is_random_stratified_and_repeatable(results):
    def keys(seed, per_cell=3):
        return [(fit.cell, fit.strategy.name, fit.replicate) for fit in draw(results, per_cell, seed)]

    assert keys(0) == keys(0)
    assert keys(0) != keys(1)
    assert len(keys(0, 99)) == 2 * 2 * 6  # all there are
    assert {(cell, name) for cell, name, _ in keys(5, 1)} == {(c, n) for c in (0, 1) for n in ("lmer", "ml")}


def test_nothing_that_lme4_could_fit(tmp_path):
    study = Study(STUDY.process, Grid(), PooledOLS(), replicates=2)
    results = study.run(tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="no strategy of this study is a LinearMixed"):
        audit(results, progress=False)
    with pytest.raises(InputError, match="per_cell"):
        audit(results, 0, progress=False)


def test_what_was_found_is_kept_and_reported(results, monkeypatch, capsys):
    assert results.audit is None
    monkeypatch.setattr(run, "Pool", Echo(results))
    assert main(["audit", str(results.out), "--per-cell", "1", "--seed", "7"]) == 0
    shown = capsys.readouterr().out
    assert "4 fits again with lme4: 4 agrees; no disagreement is ours." in shown
    kept = results.audit
    assert len(kept) == 4
    assert (kept.attrs["about"]["per_cell"], kept.attrs["about"]["seed"]) == (1, 7)
    page = (results.out / "report" / "index.html").read_text()
    assert "Audit by lme4" in page
    assert "no disagreement is ours" in page
    assert set(summary.by_cell(kept, results.cells)["group_sd"]) == {0.0, 1.5}


def test_a_disagreement_of_ours_ends_with_1(results, monkeypatch, capsys):
    monkeypatch.setattr(run, "Pool", Echo(results, lambda effort, fit: {"criterion": fit.criterion - 1.0}))
    assert main(["audit", str(results.out), "--per-cell", "1", "--no-report"]) == 1
    shown = capsys.readouterr().out
    assert "4 DISAGREEMENTS OF OURS" in shown
    assert "ours higher" in shown


@pytest.fixture
def running(pool, monkeypatch):
    """Called, it gives the next audits workers that are running already: R takes seconds to start."""
    return lambda: monkeypatch.setattr(run, "Pool", lambda: contextlib.nullcontext(pool))


@pytest.mark.lme4
@pytest.mark.usefixtures("pymer4_ready")
def test_live(tmp_path, capsys, running):
    """Our fits pass; the same fits with one estimate falsified in the store do not."""
    study = dataclasses.replace(STUDY, estimators=(LinearMixed(),), replicates=2)
    results = study.run(tmp_path / "out", progress=False)
    assert main(["audit", str(results.out), "--no-report", "--quiet"]) == 0
    table = results.audit
    assert set(table["verdict"]) <= {"agrees", "lme4 stopped short", "lme4 in a higher optimum"}
    assert table["criterion"].max() <= CRITERION
    (entry,) = results.folder.entries()
    stored = pq.read_table(results.out / "chunks" / entry.name)
    estimates = stored["estimate"].to_numpy().copy()
    estimates[0] += 0.1
    results.folder.place.remove(f"chunks/{entry.name}")
    false = stored.set_column(stored.schema.get_field_index("estimate"), "estimate", pa.array(estimates))
    results.folder.write_chunk(false, entry.about)  # under a name that fits it
    running()
    assert main(["audit", str(results.out), "--no-report"]) == 1
    assert "numbers differ" in capsys.readouterr().out


@pytest.mark.lme4
@pytest.mark.usefixtures("pymer4_ready")
def test_several_grouping_factors_live(tmp_path, running):
    """Subjects crossed with items, and classes in schools, which lme4 is asked for as the process calls them."""
    running()
    crossed = Design(
        "rt ~ x + (1 + x | subject) + (1 | item)",
        units={"subject": 12, "item": 8},
        variables={"x": within(-1, 1)},
        sd={"subject": {"Intercept": 1, "x": 0.7}, "item": 1},
    )
    schools = Design(
        "y ~ 1 + (1 | school/class)", units={"school": 6, "class": nested("school", 3)}, repeats=4, sd={"school": 1, "class": 1}
    )
    for name, process, formula in (("crossed", crossed, None), ("schools", schools, "y ~ 1 + (1 | school/class)")):
        study = Study(process, Grid(), (LinearMixed(formula=formula),), replicates=3, seed=4)
        results = study.run(tmp_path / name, progress=False)
        table = audit(results, progress=False)
        assert set(table["verdict"]) <= {"agrees", "lme4 stopped short", "lme4 in a higher optimum"}, table
        assert not table["ours"].any()
        # By its definition, with all rows at once, at our own variances.
        for fit in draw(results, 3, 0):
            rows = study.dataset(fit.cell, fit.replicate)
            assert is_its_own(fit, rows)
            assert not is_its_own(dataclasses.replace(fit, covariance=tuple(2 * own for own in fit.covariance)), rows)
