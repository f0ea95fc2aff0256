"""Which cells of a study are padded to the size of larger ones: those in which padding costs less than compiling would.

Every padded number of groups needs programs of its own, which take seconds to compile; a small study is computed in less. Where
neither the datasets nor the fits of any strategy change by a bit with further padding (``same_when_padded`` of processes and
strategies, which ``tests/test_shared_sizes.py`` holds them to), the size may follow from what there is to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import jax

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.padding import Bounds, padded_groups
from jaxsim.estimators.estimator import Estimator
from jaxsim.estimators.strategy import Strategy
from jaxsim.study.cell import Cell
from jaxsim.study.study import Study
from jaxsim.sweep.recipe import made_of_ours

# Groups of padding, of all datasets of a size, that are computed sooner than programs are compiled: a maximal mixed model takes
# some 5 to 30 microseconds for each, its program with its simulator 4 seconds.
WORTH = 100_000
# The largest size that others share; from 128 groups on sums are taken in other pieces.
LARGEST = 104


def shared_sizes(study: Study) -> dict[int, int]:
    """The padded size whose programs serve another, by that size; sizes that are not in it have programs of their own.

    It follows from the study alone, so that all of its runs use the same programs.
    """
    if not may_share(study):
        return {}
    datasets: Counter[int] = Counter()
    for cell in study.cells:
        datasets[padded_groups(cell.process.bounds.groups)] += study.replicates
    found: dict[int, int] = {}
    next_size = LARGEST + 1
    for size in sorted(datasets, reverse=True):
        if size <= next_size <= LARGEST and datasets[size] * (next_size - size) <= WORTH:
            found[size] = next_size
        else:
            next_size = size
    return found


def shared_bounds(cell: Cell, sizes: Mapping[int, int]) -> Bounds:
    """What the datasets of a cell are padded to, with the sizes of :func:`shared_sizes`."""
    bounds: Bounds = cell.process.bounds.padded()
    return Bounds.of_groups(sizes[bounds.groups], bounds.rows) if bounds.groups in sizes else bounds


def may_share(study: Study) -> bool:
    """Whether all datasets and fits of a study are the same to the last bit whatever they are padded to."""
    if jax.default_backend() != "cpu" or study.dtype != "float64" or study.every_score:
        return False
    if not made_of_ours((study.process, study.estimators)) or not all(map(_same_when_padded, study.estimators)):
        return False
    return all(cell.process.same_when_padded and len(cell.process.bounds.levels) == 1 for cell in study.cells)


def _same_when_padded(strategy: Strategy) -> bool:
    """Other software is not given padding."""
    if not isinstance(strategy, Estimator):
        return True
    return strategy.reads is CrossProducts and strategy.same_when_padded
