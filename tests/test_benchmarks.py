"""The benchmarks run at a tiny size and write their tables; their counts and summaries are right. No speed is asserted."""

import importlib
import os
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study
from jaxsim.data.random_effects import consecutive
from jaxsim.lmm.deviance import Spec, curvature, profile

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY_STUDY = """
from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study
study = Study(GaussianMultilevel(n_groups=4, n_obs=5, n_predictors=1), Grid(), PooledOLS(), replicates=50)
"""


@pytest.fixture(scope="module")
def load():
    """Import a benchmark by its name, as running it does."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def written(folder, stem):
    """The CSV as a frame, after looking at the page."""
    page = (folder / f"{stem}-{jax.default_backend()}.md").read_text()
    assert "- versions: Python" in page
    assert str(folder) not in page
    return pd.read_csv(folder / f"{stem}-{jax.default_backend()}.csv")


def test_throughput_measures_every_program(load, tmp_path):
    sizes = ["--groups", "4", "6", "--columns", "2", "--threads", "1", "--runs", "1"]
    load("throughput").main([*sizes, "--strategies", "ols", "--out", str(tmp_path)])
    frame = written(tmp_path, "throughput")
    assert list(frame["strategy"]) == ["simulate", "ols"] * 2
    assert set(frame["padded"]) == {8}  # 4 and 6 groups share a program, so they share its compile time too
    assert frame.groupby("strategy")["compile s"].nunique().eq(1).all()
    assert set(frame["datasets"]) == {2048}  # a full tile
    np.testing.assert_allclose(frame["fits/s"] * frame["run s"], frame["datasets"])  # exact up to printing 16 digits
    np.testing.assert_allclose(frame["fits/CPU s"] * frame["CPU ms/fit"], 1e3)
    assert (frame["MB"] > 0).all()


def test_kenward_roger_is_measured_beside_the_fit_alone(load, tmp_path, monkeypatch):
    benchmark = load("kenward_roger")
    monkeypatch.setattr(benchmark, "METHODS", ("residual", "kenward-roger"))
    benchmark.main(["--datasets", "5", "--groups", "4", "--columns", "1", "--runs", "1", "--out", str(tmp_path)])
    frame = written(tmp_path, "kenward-roger")
    assert list(frame["df"]) == ["residual", "kenward-roger"]
    np.testing.assert_allclose(frame["x fit alone"], frame["CPU ms/fit"] / frame["CPU ms/fit"][0])  # of one run, the same quotient
    assert (frame["no answer"] == 0).all()


def test_seed_grid_is_timed_by_phase(load, tmp_path, monkeypatch):
    script = tmp_path / "study.py"
    script.write_text(TINY_STUDY)
    throughput = load("throughput")
    monkeypatch.setattr(throughput, "SEED_GRID", script)
    throughput.main(["--seed-grid", "--replicates", "3", "--runs", "1", "--out", str(tmp_path)])
    frame = written(tmp_path, "seed-grid").set_index("phase")
    assert list(frame.index[:3]) == ["simulate", "ols", "all of these"]
    phases = frame.loc[["simulate", "ols"], "wall s"].sum()
    np.testing.assert_allclose(frame.loc["all of these", "wall s"], phases)  # a sum, written with 16 digits


@pytest.fixture
def rscript():
    """Skips without R, or fails where R is required."""
    if shutil.which("Rscript") is None:
        if os.environ.get("JAXSIM_REQUIRE_R", "0") != "0":
            pytest.fail("Rscript is missing; run scripts/install_r.sh")
        pytest.skip("needs R; run scripts/install_r.sh")


@pytest.mark.lme4
@pytest.mark.usefixtures("rscript")
def test_criteria_are_compared_on_the_same_datasets(load, tmp_path):
    load("criterion").main(["--replicates", "2", "--groups", "5", "--obs", "6", "--sd", "1", "4", "--out", str(tmp_path)])
    frame = written(tmp_path, "criterion")
    assert list(frame["fits"]) == [2, 2]
    assert list(frame["jaxsim higher"]) == [0, 0]
    # Criteria of other datasets would lie tens of units apart; lme4 may miss the optimum by less than that.
    assert (frame["largest gain"] < 5).all()


def test_criterion_counts_who_is_higher(load):
    study = Study(GaussianMultilevel(), Grid(n_groups=[5]), LinearMixed(), 4)
    keys = [(0, i) for i in range(4)]
    ours, theirs = (pd.Series(dict(zip(keys, v, strict=True))) for v in ([1.0, 2.0, 3.0, 4.0], [1.0, 1.5, 3.5, np.nan]))
    (row,) = load("criterion").compare(study, ours, theirs).to_dict("records")
    assert (row["fits"], row["jaxsim higher"], row["lme4 higher"]) == (3, 1, 1)
    assert (row["largest excess"], row["largest gain"]) == (0.5, 0.5)


@pytest.mark.lme4
@pytest.mark.usefixtures("rscript")
def test_both_sides_fit_the_same_datasets(load, tmp_path, monkeypatch):
    against, seen = load("against_lme4"), {}
    write = against.table.write
    monkeypatch.setattr(against.table, "write", lambda *given, **named: (seen.update(given[4]), write(*given, **named)))
    cells = ["--groups", "10", "--obs", "5", "--sds", "1", "4", "--datasets", "2", "--replicates", "3"]
    against.main([*cells, "--models", "lmer_mis", "--runs", "1", "--out", str(tmp_path)])
    (row,) = seen["Agreement on the datasets that both fitted"].to_dict("records")
    assert row["datasets"] == 4
    assert row["R's criterion lower"] == row["jaxsim's lower"] == 0
    # lme4 finds its one parameter to a relative 1e-4 at worst, and lmerTest's numerical derivatives cost the df another
    # digit; other datasets would differ by tens of per cent.
    assert row["se worst"] < 1e-3
    assert row["df worst"] < 1e-2
    frame = written(tmp_path, "against-lme4")
    assert list(frame["group_sd"]) == [1, 4]
    np.testing.assert_allclose(frame["R ms"], frame["R lmer ms"] + frame["R summary ms"])  # the same sum


@pytest.mark.lme4
@pytest.mark.usefixtures("rscript")
def test_crossed_models_of_both_sides_fit_the_same_datasets(load, tmp_path, monkeypatch):
    crossed = load("crossed")
    monkeypatch.setattr(crossed, "FORMULAS", {"intercepts": crossed.FORMULAS["intercepts"]})
    monkeypatch.setattr(crossed, "PREDICTORS", {"half met": crossed.PREDICTORS["half met"]})
    crossed.main(["--sizes", "8x6", "--datasets", "2", "--batch", "8", "--runs", "1", "--out", str(tmp_path)])
    frame = written(tmp_path, "crossed")
    assert list(frame["design"]) == ["half met"]
    assert frame["R's criterion lower"].item() == frame["jaxsim's lower"].item() == 0
    # As above; other datasets would differ by tens of per cent.
    assert frame["estimate apart"].item() < 1e-3
    assert frame["se apart"].item() < 1e-3


def test_the_cost_of_crossed_models_is_measured_and_drawn(load, tmp_path, monkeypatch):
    growth = load("crossed_growth")
    monkeypatch.setattr(growth, "LINES", {"intercepts, half of the pairs": ("half met", "intercepts")})
    sizes = ["--subjects", "8", "12", "--items", "6", "--fixed", "8", "6", "--batch", "8"]
    growth.main([*sizes, "--runs", "1", "--out", str(tmp_path)])
    frame = written(tmp_path, "crossed-growth")
    assert list(frame["effects"]) == ["8 + 6", "12 + 6"]
    assert (frame[["CPU ms a fit", "evaluations", "KB a dataset"]] > 0).all(axis=None)
    # Twice the pairs of levels is more to keep, whatever the compiler does.
    assert frame["KB a dataset"].is_monotonic_increasing
    assert (tmp_path / f"crossed-growth-{jax.default_backend()}.png").stat().st_size > 10_000


@pytest.mark.lme4
@pytest.mark.usefixtures("rscript")
def test_bootstraps_are_of_the_same_fit(load, tmp_path, monkeypatch):
    benchmark, seen = load("bootstrap"), {}
    write = benchmark.table.write
    monkeypatch.setattr(benchmark.table, "write", lambda *given, **named: (seen.update(given[4]), write(*given, **named)))
    benchmark.main(["--draws", "200", "--lme4-draws", "20", "--runs", "1", "--out", str(tmp_path)])
    assert list(written(tmp_path, "bootstrap")["draws"]) == [200, 20, 20]
    apart = seen["Standard deviations of the refits"]["apart (standard errors)"]
    assert apart.abs().max() < 6  # 20 refits by lme4: the distribution of a standard deviation has a longer tail than the normal's


def test_ratio_over_the_grid_is_total_over_total(load):
    cells = pd.DataFrame({"model": "lmer", "R ms": [100.0, 3500.0], "jaxsim ms": [1.0, 1.0], "ratio": [100.0, 3500.0]})
    (row,) = load("against_lme4").over_grid(cells).to_dict("records")
    assert (row["ratio"], row["smallest"], row["largest"]) == (1800, 100, 3500)
    assert row["ratio / target"] == 2.0


def test_agreement_sees_a_difference(load):
    ours = pd.DataFrame({"model": "m", "cell": [0, 1], "replicate": 0, "criterion": [10.0, 20.0], "singular": [False, True]})
    ours = ours.assign(**{"se.a": [1.0, 1.0], "df.a": [9.0, 9.0]})
    theirs = ours.assign(criterion=[9.0, 20.0], **{"se.a": [0.5, 7.0]})
    (row,) = load("against_lme4").agreement(ours, theirs).to_dict("records")
    assert (row["R's criterion lower"], row["jaxsim's lower"], row["neither singular"]) == (1, 0, 1)
    assert (row["se worst"], row["df worst"]) == (1.0, 0.0)


def test_kernel_is_measured_by_piece(load, tmp_path, monkeypatch):
    machine = load("machine")
    monkeypatch.setattr(machine, "ROUNDS", 2)
    monkeypatch.setattr(machine, "MATMUL_SIZE", 8)
    load("kernel").main(["--models", "lmer(1|g)", "--groups", "256", "--columns", "1", "--runs", "1", "--out", str(tmp_path)])
    frame = written(tmp_path, "kernel").set_index("piece")
    assert list(frame.index) == ["step", "profile", "curvature", "chart", "propose"]
    assert (frame["us"] > 0).all()
    parts = frame["flops/group"].drop("step").sum()
    np.testing.assert_allclose(frame.loc["step", "flops/group"], parts)  # the same counts added in another order


def test_both_ways_to_one_variance_are_timed_on_the_same_datasets(load, tmp_path, monkeypatch):
    one_variance = load("one_variance")
    monkeypatch.setattr(one_variance, "SIZES", {"some": (3, 6)})
    monkeypatch.setattr(one_variance, "tile_datasets", lambda groups, columns: 16)
    one_variance.main(["--groups", "8", "--runs", "1", "--out", str(tmp_path)])
    row = written(tmp_path, "one-variance").iloc[0]
    assert row["datasets"] == 16
    assert 0 < row["us"] < np.inf
    assert row["above"] < 1e-8


@pytest.mark.parametrize(("structure", "p"), [(consecutive([4]), 4), (consecutive([1, 1, 1]), 4), (consecutive([1]), 3)])
def test_flops_are_those_that_xla_counts(load, structure, p):
    """XLA counts the program before optimising it; the formulas leave out scalings and a few sums, hence up to 6% less."""
    groups, q, t = 1000, structure.size, len(structure.entries)
    spec = Spec(tuple(range(p)), tuple(range(q)), structure, True)

    def shape(*axes):
        return jax.ShapeDtypeStruct(axes, float)

    arguments = shape(p + 1, p + 1, groups), shape(), shape(q, q)
    first = jax.jit(lambda products, rows, factor: profile(products, rows, factor, spec))
    second = jax.jit(lambda at, along, order: curvature(at, along, order, spec))
    at = jax.eval_shape(first, *arguments)
    programs = {"profile": first.lower(*arguments), "curvature": second.lower(at, shape(t, q, q), shape(q, q))}
    flops = load("flops")
    for piece, program in programs.items():
        own = [count for count in flops.counts(structure, p) if count.piece == piece]
        counted = program.cost_analysis()["flops"]
        assert 1.0 <= counted / flops.total(own, groups) < 1.06
        assert flops.total(own, groups, symmetric=True) <= flops.total(own, groups)


def test_a_run_of_a_short_call_repeats_it(load):
    stopwatch = load("stopwatch")
    calls = []
    taken = stopwatch.run_seconds(lambda: calls.append(1), runs=2)
    assert len(calls) > 4  # a warm-up, one to see how long it takes, then as many as fill two runs
    assert 0 < taken.wall < stopwatch.SHORTEST_RUN


def test_tables_show_numbers_briefly(load):
    table = load("table")
    frame = pd.DataFrame({"name": ["a|b"], "small": [0.0123456], "large": [12345.6], "none": [np.nan]})
    assert table.markdown(frame).splitlines()[-1] == "| a\\|b | 0.0123 | 12,346 |  |"
    head = table.header("x.py", ["--runs", "1", "--out", "/somewhere/else", "--batch", "2"])
    assert head["command"] == "python benchmarks/x.py --runs 1 --batch 2"


def test_posteriors_per_second_are_counted_and_judged(load):
    """The arithmetic alone: compiling the engine and NumPyro would take minutes."""
    benchmark = load("bayes")
    row = benchmark.shown(np.array([300.0, 500.0]), np.array([False, True]), cpu=4.0, wall=2.0)
    assert row == {
        "datasets": 2,
        "CPU s/dataset": 2.0,
        "datasets/s": 1.0,
        "ESS, median": 400.0,
        "reliable": 0.5,
        "ESS/CPU s": 200.0,
    }
    rate = {"fast": [3e4, 2e4], "nuts": [500.0, 400.0], "NumPyro": [100.0, 10.0], "rstanarm": [2.0]}
    rows = [(path, sd, value) for path, values in rate.items() for sd, value in zip((1.0, 4.0), values, strict=False)]
    said = benchmark.verdicts(pd.DataFrame(rows, columns=["path", "SD", "ESS/CPU s"]))
    assert ["5 at SD 1, 40 at SD 4" in said[0], "300 at SD 1, 2,000 at SD 4" in said[1], "250 at SD 1 times" in said[2]] == [
        True
    ] * 3


def test_the_smallest_effective_sample_is_that_of_the_slowest_parameter(load):
    rng = np.random.default_rng(0)
    draws = {"beta": rng.normal(size=(4, 200, 2)), "sd": rng.normal(size=(4, 200, 2)), "sigma": rng.normal(size=(4, 200))}
    slow = np.repeat(rng.normal(size=(4, 20)), 10, axis=1)  # ten copies of each draw: a tenth of 800
    same = np.broadcast_to(np.eye(2), (4, 200, 2, 2)).copy()
    same[..., 1, 0] = same[..., 0, 1] = slow
    # Geyer's estimate of 80 with a relative error of a quarter or so.
    assert 40 < load("bayes").smallest_ess({**draws, "correlation": same}) < 160


def test_a_fresh_process_times_its_steps(load, tmp_path):
    benchmark = load("first_fits")
    found = benchmark.run(BENCHMARKS.parent, "intercepts", tmp_path / "cache")
    assert list(found)[:2] == ["imports", "first fit"]
    assert {"another model", "Kenward-Roger", "lm2", "bootstrap, 100 refits"} < set(found)
    assert all(seconds["wall"] > 0 and seconds["cpu"] > 0 for seconds in found.values())


def test_first_fits_are_compared_in_turns(load, tmp_path, monkeypatch):
    benchmark, asked = load("first_fits"), []

    def run(tree, first, cache):
        asked.append((tree.name, cache.exists()))
        cache.mkdir(exist_ok=True)
        steps = ("imports", "first fit", "another model", "other rows and groups", "other fixed effects")
        return {step: {"wall": float(len(asked)), "cpu": 1.0} for step in steps}

    monkeypatch.setattr(benchmark, "run", run)
    other = tmp_path / "other"
    benchmark.main(["--first", "slopes", "--repeats", "1", "--other", str(other), "--out", str(tmp_path)])
    assert asked == [(tree, full) for full in (False, True) for tree in ("other", BENCHMARKS.parent.name)]
    frame = written(tmp_path, "first-fits")
    assert list(frame["step"][:2]) == ["imports", "first fit"]
    names = ["empty cache, before", "empty cache, now", "full cache, before", "full cache, now"]
    assert frame[names].iloc[0].tolist() == [1, 2, 3, 4]
    page = (tmp_path / f"first-fits-{jax.default_backend()}.md").read_text()
    assert "Now, full cache: a first fit comes after 8 s at most" in page


def test_whole_commands_are_compared_in_turns(load, tmp_path, monkeypatch):
    benchmark, asked = load("whole_commands"), []

    def run(tree, name, folder):
        asked.append((tree.name, folder.exists()))
        folder.mkdir(exist_ok=True)
        return {"wall s": float(len(asked)), "CPU s": 2.0 * len(asked)}

    monkeypatch.setattr(benchmark, "run", run)
    arguments = ["--studies", "one", "--turns", "1", "--other", str(tmp_path / "other"), "--out", str(tmp_path)]
    benchmark.main(arguments)
    assert asked == [(tree, full) for full in (False, True) for tree in ("other", BENCHMARKS.parent.name)]
    frame = written(tmp_path, "whole-commands")
    assert frame["study"].unique().tolist() == ["one strategy, 1,000 datasets"]
    page = (tmp_path / f"whole-commands-{jax.default_backend()}.md").read_text()
    assert "| one strategy, 1,000 datasets | empty | 1 | 2 | 2 | 4 | 2 |" in page


def test_a_whole_command_is_timed(load, tmp_path):
    benchmark = load("whole_commands")
    seconds = benchmark.run(BENCHMARKS.parent, "the same without a report", tmp_path / "now")
    assert seconds["CPU s"] > 0 < seconds["wall s"]
    assert (tmp_path / "now" / "results" / "study.json").exists()


def test_packages_that_are_not_there_are_rows_with_their_reason(load, tmp_path, monkeypatch):
    """Without asking anything of jaxsim, which would compile."""
    benchmark, peers = load("against_native"), load("native_peers")
    call = {"CPU s": 2.0, "wall s": 3.0, "since start CPU s": 5.0, "at": 8.0, "rates": {}}
    said = {"began": 1.0, "version": "", "answers": [call, call, {**call, "CPU s": 4.0}]}
    monkeypatch.setattr(peers, "answer", lambda *_: said)
    monkeypatch.setattr(benchmark, "TIMED", benchmark.TIMED[:1])
    nothing = ["--no-install", "--environments", str(tmp_path / "none"), "--turns", "2", "--datasets", "5000"]
    benchmark.main([*nothing, "--parts", "runs", "--out", str(tmp_path)])
    frame = written(tmp_path, "against-native-runs").set_index("software")
    assert frame.loc["mcpower", "not measured"] == "no environment, and --no-install"
    assert frame.loc["mcpower", ["first", "second", "10,000 more"]].isna().all()
    assert frame.loc["jaxsim", ["first", "first, wall", "second", "10,000 more"]].tolist() == [5, 7, 2, 1]  # 20,000 more took 2 s
    assert not (tmp_path / "none").exists()


def test_a_process_that_fails_says_why(load):
    peers = load("native_peers")
    found = peers.answer([sys.executable, "-c", "import sys; print('hello'); print(sys.stdin.read())"], {"a": 1})
    assert found.pop("began") > 0
    assert found == {"a": 1}
    with pytest.raises(peers.NotThereError, match="No module named 'none_such'"):
        peers.answer([sys.executable, "-c", "import none_such"], {})


def test_both_sides_are_told_the_same_design(load, tmp_path):
    design = load("native_designs").without_effects(5, 4, slope=True)
    told = design.task()
    process = design.study(7, 1, ("REML, z",)).process
    assert (told["groups"], told["rows"]) == (process.n_groups, process.n_obs)
    assert process.n_between == told["between"]
    assert process.fixed_effects == (0.0, *told["effects"])
    variances = np.square(process.group_sd)
    np.testing.assert_allclose(variances, [told["icc"] / (1 - told["icc"]), told["slope_variance"]])  # squares of roots
    rates = load("power_jaxsim").call(design, 7, 1, ["REML, z"], tmp_path / "run")["rates"]
    assert {term: used for term, (_, used) in rates["REML, z"].items()} == {"x1": 7, "x2": 7}


def test_a_batch_and_another_package_reach_the_same_criteria(load, monkeypatch):
    fits, single = load("native_fits"), load("single_fits")
    monkeypatch.setattr(fits, "tile_datasets", lambda groups, columns: 16)
    model = fits.models(2)[0]
    _, best = fits.batched(model, 1)
    _, first, again = single.statsmodels(model.task("statsmodels", 1))
    np.testing.assert_allclose([again(y) for y in model.responses.tolist()], best, atol=1e-3)  # its optimiser stops early
    assert abs(first() - 1786.4650854) < 1e-3  # lme4's for the data themselves
    asked = [{"criteria": [best[0] + 1, None], "refits": [0.1, 0.3]}]
    row = fits.refitted(asked, best)
    assert (row["above jaxsim's"], row["below"], row["no answer"], row["fits"]) == (1, 0, 1, 2)
    assert row["by at most"] == pytest.approx(1)
