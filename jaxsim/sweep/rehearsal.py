"""What is wrong with a user's own process or strategy, found on two datasets before anything is computed or stored."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.fit import Fit
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, in_brief
from jaxsim.estimators.estimator import Estimator, in_batches
from jaxsim.processes.frame_process import FrameProcess
from jaxsim.processes.process import Process
from jaxsim.processes.row_process import RowProcess
from jaxsim.study.cell import Cell
from jaxsim.study.digests import is_ours
from jaxsim.study.study import Study
from jaxsim.sweep.cells_alike import check_cells
from jaxsim.sweep.compile import precision

# Fields of a fit with a number for each coefficient.
PER_TERM = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")


def rehearse(study: Study) -> None:
    """Raise :class:`InputError` for a user's process or strategy that breaks what the engine relies on; ours are not tried."""
    if study.absent:
        raise InputError(f"this study cannot be run: {study.absent[0]}")
    with precision(study.dtype):
        drawn = draws(study, study.cells[0]) if study.process.batched and is_users(study.process) else None
        if drawn is not None:
            check_draws(study, *drawn)
        if isinstance(study.process, RowProcess | FrameProcess):
            check_cells(study)
        predicted = any(score.needs_fresh for score in study.every_score)
        if predicted and drawn is not None:
            check_fresh(study, drawn[0])
        own = [strategy for strategy in in_batches(study.estimators).values() if not strategy.guards_itself]
        if own:
            data = example(study, study.cells[0]) if drawn is None else drawn[0].data
            for strategy in own:
                check_fit(study, strategy, data)
                if predicted and strategy.predicts_itself:
                    check_predictions(study, strategy, data)


def is_users(process: Process) -> bool:
    """Whether the user wrote it, as a class or as a function."""
    return not is_ours(type(process)) or hasattr(process, "function")


def draws(study: Study, cell: Cell) -> tuple[Draw, Draw]:
    """The first two datasets of a cell, on the host."""
    process, bounds = cell.process, cell.process.bounds.padded()
    once = jax.jit(lambda key, values: process.draw(key, values, bounds))
    try:
        first, second = (jax.device_get(once(study.key(cell, r), process.parameters(bounds))) for r in (0, 1))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{process.kind} could not draw a dataset: {in_brief(error)}") from error
    return first, second


def check_draws(study: Study, first: Draw, second: Draw) -> None:
    """Shapes, numbers, and that the key decides them."""
    process, names = study.cells[0].process, study.names
    for draw in (first, second):
        if not isinstance(draw, Draw):
            raise InputError(f"{process.kind}.draw returned a {type(draw).__name__}; return Draw(Truth(..), data).")
        if np.shape(draw.truth.fixed) != (len(names.fixed),):
            raise InputError(
                f"{process.kind}: the true fixed effects have shape {np.shape(draw.truth.fixed)}; there are "
                f"{len(names.fixed)} terms ({', '.join(names.fixed)})."
            )
        if not np.isfinite(draw.truth.fixed).all():
            raise InputError(f"{process.kind}: a true fixed effect is not finite: {np.asarray(draw.truth.fixed).tolist()}.")
        _check_data(process, draw.data)
    if all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (first.data, second.data)), strict=True)):
        raise InputError(
            f"{process.kind} draws the same dataset whatever its key: make every random number from the key that it is given, with "
            "jax.random (NumPy's generators are run once, when the program is compiled)."
        )


def check_fresh(study: Study, drawn: Draw) -> None:
    """That further rows of a process are what they are said to be: of the same truth, and not the dataset's own."""
    cell = study.cells[0]
    process, bounds, key = cell.process, cell.process.bounds.padded(), study.key(cell, 0)
    for new_groups in (False, True):
        once = jax.jit(lambda key, values, new=new_groups: process.new_rows(key, drawn, values, bounds, new))
        new = jax.device_get(once(key, process.parameters(bounds)))
        if new is None:
            continue
        if not np.array_equal(new.truth.fixed, drawn.truth.fixed):
            raise InputError(
                f"{process.kind}.simulate_fresh changes the fixed effects, {np.asarray(drawn.truth.fixed).tolist()} to "
                f"{np.asarray(new.truth.fixed).tolist()}: draw what belongs to all groups from the part of key that simulate does."
            )
        pairs = [(name, groups, drawn.truth.groups[name]) for name, groups in new.truth.groups.items()]
        for name, groups, own in [] if new_groups else pairs:
            if not np.array_equal(groups, own):
                raise InputError(
                    f"{process.kind}.simulate_fresh changes the coefficients of {name} where new_groups is false: draw what "
                    "belongs to a group from the part of key that simulate does."
                )
        if isinstance(new.data, Rows) and np.array_equal(new.data.y, drawn.data.y):  # type: ignore[union-attr]  # rows, too
            raise InputError(
                f"{process.kind}.simulate_fresh makes the rows of the dataset again: draw the noise from the key 'other'."
            )


def check_predictions(study: Study, strategy: Estimator, data: Any) -> None:
    """Shapes of an own strategy's predictions, without computing one."""
    if isinstance(data, CrossProducts):  # of a process of ours: rows are not at hand
        return
    cells = study.cells[0].process.bounds.padded().cells
    own = data if strategy.reads is Rows else jax.eval_shape(lambda rows: rows.reduce(cells), data)

    def once(data: Any, rows: Rows, key: jax.Array) -> Any:
        """Of one dataset."""
        given = (Context(key, study.conf_level),) if strategy.resamples else ()
        viewed = strategy.view(data)
        return strategy.predict(viewed, strategy._guarded(viewed, *given), rows)

    try:
        found = jax.eval_shape(once, own, data, study.key(study.cells[0], 0))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"strategy {strategy.name!r}: predict could not be traced by JAX: {in_brief(error)}") from error
    if np.shape(found) != np.shape(data.y):
        raise InputError(
            f"strategy {strategy.name!r}: predict gave an array of shape {np.shape(found)} for {len(data.y)} rows; give one "
            "number for each."
        )


def _check_data(process: Process, data: Any) -> None:
    if isinstance(data, CrossProducts):
        m = len(process.names.columns) + 1
        if data.products.shape[1:] != (m, m) or data.sizes.shape != data.products.shape[:1]:
            raise InputError(
                f"{process.kind}: cross-products of shape {data.products.shape} and sizes {data.sizes.shape}; with "
                f"{m - 1} columns they are [groups, {m}, {m}] and [groups]."
            )
        return
    if not isinstance(data, Rows):
        raise InputError(f"{process.kind} drew a {type(data).__name__}; draw CrossProducts or Rows.")
    there = data.weight > 0
    if not there.any():
        raise InputError(f"{process.kind}: every row of a dataset is missing (keep is false everywhere).")
    for f, factor in enumerate(data.factors):
        codes, count = data.levels[there, f], process.bounds.levels[f]
        if codes.min() < 0 or codes.max() >= count:
            raise InputError(
                f"{process.kind}: {factor} has the code {int(codes.min() if codes.min() < 0 else codes.max())}; with "
                f"{count} groups codes are 0 to {count - 1} (say the largest number of groups by n_groups or max_groups)."
            )


def example(study: Study, cell: Cell) -> Any:
    """Shapes of one dataset of a cell."""
    process, bounds = cell.process, cell.process.bounds.padded()
    return jax.eval_shape(lambda key: process.draw(key, process.parameters(bounds), bounds), study.key(cell, 0)).data


def check_fit(study: Study, strategy: Estimator, data: Any) -> None:
    """Shapes of an own strategy's fit, without computing one."""
    names = strategy.coefficients(study.names)
    if isinstance(data, Rows) and strategy.reads is CrossProducts:
        cells = study.cells[0].process.bounds.padded().cells
        data = jax.eval_shape(lambda rows: rows.reduce(cells), data)

    def once(data: Any, key: jax.Array) -> Any:
        """Of one dataset."""
        given = (Context(key, study.conf_level),) if strategy.resamples else ()
        fit = strategy.fit(strategy.view(data), *given)
        if not isinstance(fit, Fit):
            raise InputError(
                f"strategy {strategy.name!r} returned a {type(fit).__name__}; return a Fit, such as Fit(estimate, std_error)."
            )
        return fit

    try:
        fit = jax.eval_shape(once, data, study.key(study.cells[0], 0))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"strategy {strategy.name!r} could not be traced by JAX: {in_brief(error)}") from error
    for name in PER_TERM:
        value = getattr(fit, name)
        allowed = {(len(names),), *({()} if name == "df" else ()), *({(0,)} if name in PER_TERM[3:] else ())}
        if value is not None and tuple(value.shape) not in allowed:
            raise InputError(
                f"strategy {strategy.name!r}: {name} has shape {tuple(value.shape)}; it estimates {len(names)} coefficients "
                f"({', '.join(names)}). One that estimates others says so (coefficients, or terms=...)."
            )
