"""Compiled programs of a study: a simulator per shape, a fit per kind of data and strategy, compiled beside each other.

A program works on one tile of datasets on one device. Chunks of any size are tiles put together, the last one filled with empty
datasets, which cost next to nothing; tiles are dealt to the devices.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw, Truth
from jaxsim.data.fit import Fit
from jaxsim.data.fresh import Fresh
from jaxsim.data.rows import Rows
from jaxsim.estimators.estimator import in_batches
from jaxsim.estimators.strategy import Strategy
from jaxsim.scores.score import Score
from jaxsim.study.cell import Cell
from jaxsim.study.study import Study
from jaxsim.sweep.compile import Compiled, precision
from jaxsim.sweep.functions import fitter, key_arguments, scorer, simulator, truths, unseen
from jaxsim.sweep.recipe import Recipe, program, result
from jaxsim.sweep.shape import Shape, Tile

Copies = tuple[Compiled, ...]


@partial(
    jax.tree_util.register_dataclass, data_fields=["truth", "data", "rows", "whole", "fresh"], meta_fields=["lost"]
)  # fmt: skip
@dataclass(frozen=True)
class Simulated:
    """A tile's datasets as each kind of strategy reads them, and what they were made with.

    Attributes:
        truth: of each dataset.
        data, rows: the datasets as cross-products and row by row, each if some strategy reads it.
        whole: the truth with the groups' own coefficients, if scores need it.
        fresh: data that no strategy sees, if scores need them.
        lost: places of datasets that the process did not draw, with its reason.
    """

    truth: Truth
    data: CrossProducts | None = None
    rows: Rows | None = None
    whole: Truth | None = None
    fresh: Fresh | None = None
    lost: dict[int, str] = field(default_factory=dict)

    def read_by(self, strategy: Strategy) -> CrossProducts | Rows:
        """What a strategy reads; made once for all that read the same."""
        found = self.rows if strategy.reads is Rows else self.data
        assert found is not None
        return found


@dataclass
class Programs:
    """Compiles on two threads ahead of use; ask for a program and wait for it if it is not ready.

    Args:
        study: whose programs these are.
        devices: the local devices that share the datasets; JAX's default device when None.
    """

    study: Study
    devices: tuple[jax.Device, ...] | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="compile"))
    made: dict[Hashable, Future[Copies]] = field(default_factory=dict)
    prepared: set[tuple[Shape, tuple[int, ...]]] = field(default_factory=set)
    fresh: dict[Shape, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.devices = self.devices or (jax.local_devices()[0],)
        self.ours = in_batches(self.study.estimators)
        read = {strategy.reads for strategy in self.ours.values()}
        # Truths come with the data, so something is drawn even if no strategy of ours fits it.
        self.kinds = tuple(kind for kind in (CrossProducts, Rows) if kind in read) or (CrossProducts,)
        self.scored = any(score.needs_groups for score in self.study.every_score)
        self.predicted = any(score.needs_fresh for score in self.study.every_score)

    def prepare(self, shape: Shape, cell: Cell, models: tuple[int, ...]) -> None:
        """Start compiling what a shape needs, if nothing has yet.

        Args:
            shape: of the programs.
            cell: any cell that the shape serves.
            models: numbers of the strategies to fit; those that other software fits need no program.
        """
        if (shape, models) in self.prepared:
            return
        self.prepared.add((shape, models))
        with precision(self.study.dtype):
            arguments = self.arguments(Tile(shape, np.array([cell.index]), np.array([0])))
            drawn_here = cell.process.batched
            # One function for a program and for the shapes of what it gives, which are asked for first: JAX traces it once.
            draws = {reads: simulator(cell.process, shape.bounds, reads) for reads in self.kinds}
            whole = truths(cell.process, shape.bounds)
            truth = self._result(whole, arguments) if self.study.every_score else None
            if truth is not None and drawn_here:
                self._start(("truth", shape), whole, arguments)
            if self.predicted and shape not in self.fresh:
                given = (self._result(draws[self.kinds[0]], arguments).data, truth, *arguments)
                more = unseen(cell.process, shape.bounds)
                self.fresh[shape] = self._result(more, given)
                self._start(("fresh", shape), more, given)
            for reads, simulate in draws.items():
                ours = [i for i in models if i in self.ours and self.ours[i].reads is reads]
                fitted = self.predicted or any(self._key(shape, i) not in self.made for i in ours)
                data = self._result(simulate, arguments).data if fitted else None
                # The first fit takes longest to compile, so it goes first; the simulator is ready long before it.
                for number, i in enumerate(ours if fitted else ()):
                    if number == 1 and drawn_here:
                        self._start((reads, shape), simulate, arguments)
                    self._start_fit(shape, i, data, truth, arguments)
                if drawn_here:
                    self._start((reads, shape), simulate, arguments)

    def _start_fit(self, shape: Shape, model: int, data: Any, truth: Any, arguments: tuple[Any, ...]) -> None:
        """The program of a strategy, which is the same whether or not groups are asked for if it can tell their coefficients
        afterwards; then its scores, each a program of its own. A study's only strategy has two code generators: what else is
        compiled takes less."""
        estimator, study = self.ours[model], self.study
        function = fitter(estimator, study.conf_level, self.scored)
        keys = key_arguments(arguments)
        given = (data, *(keys if estimator.resamples else ()))
        scores = [score for score in study.every_score if score.applies(estimator, study.names)]
        fit = self._result(function, given) if scores else None
        self._start(self._key(shape, model), function, given, alone=len(self.ours) == 1)
        for score in scores:
            more = {"fresh": self.fresh[shape]} if score.needs_fresh else {}
            self._start(self._score_key(score, shape, model), scorer(score, estimator), (data, fit, truth, more, *keys))

    def _result(self, function: Recipe, arguments: tuple[Any, ...]) -> Any:
        """Shapes of what a function gives."""
        return result(function, arguments, self.study.dtype)

    def _start(self, key: Hashable, function: Recipe, arguments: tuple[Any, ...], alone: bool = False) -> bool:
        """Have a program compiled, unless it is already; whether it was not."""
        if key in self.made:
            return False
        self.made[key] = self.pool.submit(self._copies, function, arguments, alone)
        return True

    def _key(self, shape: Shape, model: int) -> tuple[Hashable, ...]:
        """A strategy's program serves all shapes whose data are alike."""
        bounds = shape.bounds if self.study.estimators[model].reads is Rows else replace(shape.bounds, rows=0)
        return ("fit", model, bounds, shape.tile)

    def _score_key(self, score: Score, shape: Shape, model: int) -> tuple[Hashable, ...]:
        """A score's program serves the same shapes as the strategy's, if what else it is given is alike, too."""
        given = self.fresh[shape] if score.needs_fresh else None
        alike = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(given))
        return (score, jax.tree.structure(given), alike, *self._key(shape, model))

    def ready(self, shape: Shape, model: int | None = None) -> bool:
        """Whether the simulator of a shape, or the program of one of its strategies, is compiled already."""
        future = self.made.get((self.kinds[0], shape) if model is None else self._key(shape, model))
        return future is None or future.done()

    def wait(self, shape: Shape, models: tuple[int, ...]) -> None:
        """Until everything that a shape needs is compiled."""
        named = [(name, shape) for name in (*self.kinds, "truth", "fresh")]
        for key in [*named, *(self._key(shape, i) for i in models)]:
            if key in self.made:
                self.made[key].result()

    def simulate(self, tile: Tile) -> Simulated:
        """Draw the datasets of a tile; what it lacks to a full one are datasets without a group. Does not wait for the device."""
        arguments = self.arguments(tile)
        with precision(self.study.dtype):
            drawn: list[Draw] = [self._program((kind, tile.shape), tile)(*arguments) for kind in self.kinds]
            whole = self._if_made(("truth", tile.shape), tile, arguments)
            fresh = self._if_made(("fresh", tile.shape), tile, (drawn[0].data, whole, *arguments))
        found: Any = {"data" if isinstance(one.data, CrossProducts) else "rows": one.data for one in drawn}
        return Simulated(drawn[0].truth, **found, whole=whole, fresh=fresh)

    def fit(self, tile: Tile, model: int, simulated: Simulated) -> Fit:
        """Fit one strategy to a tile's datasets, and score the fits; does not wait for the device."""
        strategy = self.study.estimators[model]
        keys = self.keys(tile) if strategy.resamples or simulated.whole is not None else ()
        data, key = simulated.read_by(strategy), self._key(tile.shape, model)
        with precision(self.study.dtype):
            fit = self._program(key, tile)(data, *(keys if strategy.resamples else ()))
            extra = dict(fit.extra)
            for score in self.study.every_score if simulated.whole is not None else ():
                own = self._score_key(score, tile.shape, model)
                if own in self.made:
                    more = {"fresh": simulated.fresh} if score.needs_fresh else {}
                    extra |= self._program(own, tile)(data, fit, simulated.whole, more, *keys)
            return replace(fit, groups=None, extra=extra)

    def simulator_program(self, shape: Shape) -> Compiled:
        """The compiled simulator of a shape, on the first device; waits for it."""
        return self.made[self.kinds[0], shape].result()[0]

    def fit_program(self, shape: Shape, model: int) -> Compiled:
        """The compiled program of a strategy, on the first device; waits for it."""
        return self.made[self._key(shape, model)].result()[0]

    def close(self) -> None:
        """Compile nothing more."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _program(self, key: Hashable, tile: Tile) -> Compiled:
        return self.made[key].result()[tile.device]

    def _if_made(self, key: Hashable, tile: Tile, arguments: tuple[Any, ...]) -> Any:
        """What a program gives; None where there is no such program."""
        return self._program(key, tile)(*arguments) if key in self.made else None

    def _copies(self, function: Recipe, arguments: tuple[Any, ...], alone: bool) -> Copies:
        """The program, once for each device."""
        return tuple(program(function, arguments, device, self.study.dtype, alone) for device in self.devices or ())

    def keys(self, tile: Tile) -> tuple[Any, ...]:
        """Seed, cell words and replicates of a full tile."""
        distinct, place = _cells(tile)
        words = np.stack([self.study.cells[c].words for c in distinct])[place]
        return np.uint32(self.study.seed), words, tile.replicates[_filling(tile)].astype(np.uint32)

    def arguments(self, tile: Tile) -> tuple[Any, ...]:
        """:meth:`keys` of a full tile, and the parameters with which of its datasets are wanted."""
        distinct, place = _cells(tile)
        values = [self.study.cells[c].process.parameters(tile.shape.bounds) for c in distinct]
        parameters = {name: np.stack([v[name] for v in values])[place] for name in values[0]}
        return *self.keys(tile), (parameters, np.arange(tile.shape.tile) < len(tile))


def _filling(tile: Tile) -> np.ndarray:
    """Which datasets a full tile is made of: the last one fills it."""
    return np.minimum(np.arange(tile.shape.tile), len(tile) - 1)


def _cells(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """The different cells of a tile, and which of them each dataset of the full tile is of."""
    distinct, place = np.unique(tile.cells, return_inverse=True)
    return distinct, place[_filling(tile)]
