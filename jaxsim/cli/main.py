"""The command line: run an experiment script, report on its results, summarise them."""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxsim
from jaxsim.cli import needed
from jaxsim.cli.options import add_run_options, add_study_options, batch_of, changed, run_options
from jaxsim.cli.script import study_of
from jaxsim.cli.told import told
from jaxsim.counts import counted
from jaxsim.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from jaxsim.results import Results
    from jaxsim.study.study import Study

EPILOG = """examples:
  jaxsim run experiments/seed_grid.py --replicates 50 --out results/seed_grid
  jaxsim plan experiments/massive_grid.py
  jaxsim summary results/seed_grid
  jaxsim summary results/how_many --needed power:0.8 --over units.subject
  jaxsim report results/seed_grid
  jaxsim audit results/seed_grid --per-cell 3 --seed 0
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``jaxsim``; returns the exit status."""

    def action() -> int | None:
        """What the arguments ask for."""
        options = _parser().parse_args(arguments)
        _look_for_garbage_less_often()
        # Programs do not note which lines of Python they are of: nobody sees that here, and it takes a tenth of the tracing.
        os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
        return options.action(options)

    return told("jaxsim", action)


def run_script(study: Study, default_out: str) -> None:
    """What an experiment script does when it is run itself: the same as ``jaxsim run`` on it, with the same options.

    Args:
        study: the script's study.
        default_out: where the results go without ``--out``.
    """
    parser = argparse.ArgumentParser(description=f"Simulate, fit, measure and report: {counted(len(study.cells), 'cell')}.")
    _run_options(parser, default_out)

    def action() -> None:
        """What the arguments ask for."""
        options = parser.parse_args()
        _run_study(changed(study, options), options.out, options)

    status = told(parser.prog, action)
    if status:
        sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxsim",
        description="Simulation studies of clustered data: every analysis strategy fitted to the same datasets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions that numbers depend on")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run an experiment script and report on it")
    run.add_argument("script", type=Path, help="a Python file that defines `study`, such as experiments/seed_grid.py")
    _run_options(run, None)
    run.set_defaults(action=_run)
    plan = commands.add_parser("plan", help="say what a run will take: chunks, programs, time, disk, replicates for a wanted error")
    plan.add_argument("script", type=Path, help="a Python file that defines `study`")
    plan.add_argument("--out", help="a results folder: only what it lacks is planned")
    add_study_options(plan)
    plan.add_argument("--memory", help="memory for the chunks in the making, such as 2G (default: a quarter of what is free)")
    plan.add_argument("--batch", type=int, default=None, help="datasets of a chunk at most (default: 4096)")
    plan.add_argument(
        "--mcse", metavar="MEASURE:ERROR,..", default="power:0.005,coverage:0.002", help="say how many replicates these need"
    )
    plan.add_argument("--no-trial", action="store_true", help="do not compile and time one tile of each shape")
    plan.set_defaults(action=_plan)
    doctor = commands.add_parser("doctor", help="say what is installed and what is missing, for jaxsim and for comparing with lme4")
    doctor.add_argument("--json", action="store_true", help="print it for a program")
    doctor.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="RESULTS",
        help="print what a report of a wrong number needs, about the study in that folder if there is one: fill it in, and send it",
    )
    doctor.set_defaults(action=_doctor)
    _add_readers(commands)
    return parser


def _add_readers(commands: Any) -> None:
    """The commands that read a folder of results."""
    report = commands.add_parser("report", help="write the HTML report and its figures")
    report.add_argument("results", help="a folder that a run wrote, or its address")
    report.add_argument("--out", type=Path, help="folder of the report (default: RESULTS/report)")
    report.add_argument("--terms", nargs="+", help="coefficients that it is about (default: all but the intercept)")
    _add_script(report, "so that its own measures are in the report")
    report.set_defaults(action=_report)
    audit = commands.add_parser("audit", help="fit a random sample of a run again with lme4 and compare")
    audit.add_argument("results", help="a folder that a run wrote, or its address")
    audit.add_argument("--per-cell", type=int, default=3, help="fits of each mixed model drawn from each cell (default: 3)")
    audit.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    _add_script(audit, "needed for a process of your own: datasets are made again")
    audit.add_argument("--no-report", action="store_true", help="do not write the report again")
    audit.add_argument("--quiet", action="store_true", help="no progress bar and no table, one line and the exit status only")
    audit.set_defaults(action=_audit)
    summary = commands.add_parser("summary", help="print the summary table of a run, or write its measures to a file")
    summary.add_argument("results", help="a folder that a run wrote, or its address")
    summary.add_argument(
        "--by", nargs="+", help="columns whose levels have lines of their own, such as n_groups term; person is units.person"
    )
    summary.add_argument("--terms", nargs="+", help="coefficients that count (default: all)")
    summary.add_argument("--alpha", type=float, help="level of the tests (default: 1 less the study's confidence level)")
    summary.add_argument("--measures", nargs="+", help="measures to show (default: the main ones; with --csv all)")
    needed.add_options(summary)
    summary.add_argument("--csv", type=Path, help="write the measures with their Monte Carlo errors there instead")
    _add_script(summary, "so that its own measures are in the table")
    summary.set_defaults(action=_summary)


def _add_script(parser: argparse.ArgumentParser, why: str) -> None:
    parser.add_argument("--script", type=Path, help=f"the script of the run, {why}")


def _loaded(options: argparse.Namespace) -> Results:
    """The results, with the code of the script if there is one."""
    from jaxsim.results import load  # noqa: PLC0415 - keeps `jaxsim --help` fast

    if options.script is not None:
        study_of(options.script)
    return load(options.results)


class _Version(argparse.Action):
    """Look up the versions, which takes a while, only where they are asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(_version())
        parser.exit()


def _version() -> str:
    """Our version, and those that numbers depend on besides it."""
    import platform  # noqa: PLC0415 - only needed here
    from importlib import metadata  # noqa: PLC0415 - as above

    try:
        jax = f"JAX {metadata.version('jax')}"
    except metadata.PackageNotFoundError:  # `jaxsim doctor` is to say so
        jax = "no JAX"
    return f"jaxsim {jaxsim.__version__} ({jax}, Python {platform.python_version()})"


def _run_options(parser: argparse.ArgumentParser, out: str | None) -> None:
    default = out or "results/NAME-OF-SCRIPT"
    parser.add_argument(
        "--out", default=out, help=f"folder of the results, or an address such as s3://bucket/study (default: {default})"
    )
    add_study_options(parser)
    add_run_options(parser)
    parser.add_argument("--no-report", action="store_true", help="skip the pictures and the HTML page")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no table")


def _run(options: argparse.Namespace) -> None:
    study = study_of(options.script)
    _run_study(changed(study, options), options.out or str(Path("results") / options.script.stem), options)


def _run_study(study: Study, out: str, options: argparse.Namespace) -> None:
    _look_for_garbage_less_often()  # the modules of now are not looked at again
    datasets = len(study.cells) * study.replicates
    if not options.quiet:
        names = ", ".join(estimator.name for estimator in study.estimators)
        cells = counted(len(study.cells), "cell")
        print(f"{cells} x {study.replicates} = {counted(datasets, 'dataset')}, each fitted by {names}")
    reported = not options.no_report and "://" not in out
    ahead = functools.partial(_prepare_report, study) if reported else None
    results = study.run(out, progress=not options.quiet, **run_options(options, ahead))
    if not options.quiet:
        _print_summary(results)
    print(f"results: {out}")
    if reported:
        _write_report(results, None)
    elif not options.no_report:
        print(f"report:  jaxsim report {out} --out FOLDER writes it here")


def _prepare_report(study: Study) -> None:
    """While the run's programs are compiled."""
    from jaxsim.report import ahead  # noqa: PLC0415 - on the thread that has time for it

    ahead.prepare(study)


def _look_for_garbage_less_often() -> None:
    """In a process of ours: importing and tracing make millions of objects, hardly any of them garbage, and a search is of all."""
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)


def _plan(options: argparse.Namespace) -> None:
    from jaxsim.store.folder import Folder  # noqa: PLC0415 - keeps `jaxsim --help` fast
    from jaxsim.study.until import Until  # noqa: PLC0415 - as above
    from jaxsim.sweep import memory as memories  # noqa: PLC0415 - as above
    from jaxsim.sweep.executors import Local  # noqa: PLC0415 - as above
    from jaxsim.sweep.forecast import as_text, forecast  # noqa: PLC0415 - as above
    from jaxsim.sweep.plan import plan  # noqa: PLC0415 - as above

    study = changed(study_of(options.script), options)
    targets = dict(Until.parse(options.mcse).targets)
    memory = memories.available() if options.memory is None else memories.parse(options.memory)
    folder = Folder(options.out) if options.out else None
    done = folder.coverage() if folder is not None and folder.place.exists("study.json") else None
    beside, batch = Local().beside, batch_of(options)
    chunks = plan(study, done, limit=lambda shape: memories.chunk_datasets(study, shape, memory, beside, batch))
    print(as_text(study, forecast(study, chunks, memory, trial=not options.no_trial), targets))


def _report(options: argparse.Namespace) -> None:
    _write_report(_loaded(options), options.out, options.terms)


def _write_report(results: Results, folder: Path | None, terms: Sequence[str] | None = None) -> None:
    from jaxsim import report  # noqa: PLC0415 - keeps `jaxsim --help` fast

    print(f"report:  {report.write(results, folder, terms=terms)}")


def _summary(options: argparse.Namespace) -> None:
    from jaxsim.measures.absence import check_absences  # noqa: PLC0415 - keeps `jaxsim --help` fast
    from jaxsim.measures.apart import averaged_terms, measures_apart  # noqa: PLC0415 - as above

    is_number = needed.is_asked(options)
    results = _loaded(options)
    asked = {name: getattr(options, name) for name in ("by", "terms", "alpha", "measures")}
    if options.csv is None:
        if is_number:
            print(needed.text(needed.table(results, options), results, options))
        else:
            _print_summary(results, **asked)
        return
    target = _target(options.csv)
    if is_number:
        _write(needed.table(results, options), target, options.csv)
        return
    if asked["by"] is not None:  # a line for each strategy, as on the screen
        asked["by"] = list(results.performance.named_in_full(("model", *asked["by"])))
        asked["terms"] = averaged_terms(results.performance, asked["by"], asked["terms"])
        table = measures_apart(results.performance, **asked)
    else:
        table = results.measures(**asked)
    lacking = check_absences(options.measures, table["measure"], asked["terms"] or results.performance.present)
    _write(table, target, options.csv)
    for sentence in lacking:
        print(sentence)


def _target(file: Path) -> Path:
    """Where a file is written to, without links; raises :class:`InputError` if its folder is none."""
    if not file.parent.is_dir():
        raise InputError(f"{file.parent} is no folder; give --csv a file in a folder that exists.")
    if file.is_symlink():
        with contextlib.suppress(FileNotFoundError):  # it may point to a file that is not there yet, but in no circle
            file.stat()
    return Path(os.path.realpath(file))


def _write(table: pd.DataFrame, target: Path, named: Path) -> None:
    from jaxsim.store.place import place_of  # noqa: PLC0415 - keeps `jaxsim --help` fast

    place_of(target.parent).write(target.name, table.to_csv(index=False).encode())
    print(f"measures: {named}")


def _audit(options: argparse.Namespace) -> int:
    """Exit status 1 if a disagreement is ours, 3 if lme4 had no answer for too many fits."""
    from jaxsim.audit import audit  # noqa: PLC0415 - keeps `jaxsim --help` fast
    from jaxsim.audit.table import LEGEND, as_text, by_cell, in_words, is_inconclusive  # noqa: PLC0415 - as above

    results = _loaded(options)
    found = audit(results, options.per_cell, options.seed, progress=not options.quiet)
    if not options.quiet:
        print(as_text(by_cell(found, results.cells)).to_string(index=False))
        print(LEGEND)
        for row in found[found["ours"]].to_dict("records"):
            which = f"cell {row['cell']}, replicate {row['replicate']}, {row['model']}"
            print(f"{which}: {row['verdict']}; lme4: {row['message'] or 'no message'}")
    print(in_words(found))
    if not options.no_report:
        _write_report(results, None)
    return 1 if found["ours"].any() else 3 if is_inconclusive(found) else 0


def _doctor(options: argparse.Namespace) -> int:
    """Exit status 1 if something is missing that jaxsim, or its comparison with lme4, needs."""
    from jaxsim.cli import doctor, wrong_number  # noqa: PLC0415 - keeps `jaxsim --help` fast

    if options.report is None:
        return doctor.main(options.json)
    print(wrong_number.as_markdown(doctor.diagnose(), options.report or None))
    return 0


def _print_summary(results: Results, **asked: Any) -> None:
    from jaxsim.measures.overview import overview  # noqa: PLC0415 - keeps `jaxsim --help` fast

    print(overview(results.performance, results.progress[1], results.notes, **asked))
