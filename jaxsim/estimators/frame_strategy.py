"""An own strategy from any Python function of a DataFrame: statsmodels, pyfixest, linearmodels, bambi, anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jaxsim.data.fit import Fit
from jaxsim.data.names import Names
from jaxsim.errors import InputError, brief, check_seconds
from jaxsim.estimators.external import External, Handed, Session
from jaxsim.estimators.own_code import OwnFunction
from jaxsim.estimators.tabled import Told, fit_of, told
from jaxsim.status import Status

if TYPE_CHECKING:
    from jaxsim.workers.functions import PythonPool

# Arguments that a function may have besides the data; it is given those that it names.
GIVEN = ("conf_level", "seed")
TIME_LIMIT_S = 60.0


@dataclass(frozen=True)
class FrameStrategy(OwnFunction, External):
    """A strategy from a Python function of a DataFrame, called in worker processes.

    The function gets the rows of one dataset (columns as the process names them: ``Group, DV, IV1, ..``) and returns a table
    with the columns ``term, estimate`` and any of ``std_error, df, p_value, conf_low, conf_high``, or a dictionary ``{term:
    estimate}``; of one coefficient a dictionary of its numbers is enough. What is missing follows from t with ``df`` (normal
    without it). An entry, or an item of ``attrs``, called ``status``, ``message``, ``converged``, ``sigma`` or ``criterion``
    speaks of the whole fit. An exception is a row with the status ``crashed`` and its message, and so is a fit that takes too
    long. ``seed`` (a whole number that follows from the dataset) and ``conf_level`` are handed over to a function that has such
    arguments.

    Args:
        function: of a DataFrame.
        label: name in the tables; the function's when None.
        terms: the coefficients that it estimates; the process's fixed effects when None. Others in its table are left out.
        first: fit only the first so many replicates of each cell; None for all of them.
        time_limit: seconds a fit may take.
        options: further arguments of the function, by name.

    Raises:
        InputError: for something that is no function of a DataFrame, or cannot be sent to a worker process.
    """

    function: Callable[..., Any]
    label: str | None = None
    terms: tuple[str, ...] | None = None
    first: int | None = None
    time_limit: float = TIME_LIMIT_S
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.function) or not inspect.signature(self.function).parameters:
            given = brief(self.function)
            raise InputError(f"function={given} is not a function of a DataFrame; give one such as def gee(data): ...")
        super().__post_init__()
        check_seconds("time_limit", self.time_limit)

    def in_words(self, names: Names) -> tuple[str, ...]:
        return (*super().in_words(names), f"at most {self.time_limit:g} s a fit")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Worker processes, the same for all such strategies."""
        from jaxsim.workers.functions import pickle_function, python_pool  # noqa: PLC0415 - only where such a strategy fits

        content = pickle_function(self.function)
        with python_pool() as pool:
            yield _Calls(self, pool, content)

    def arguments(self, data: Handed) -> dict[str, Any]:
        """What the function is given besides the rows."""
        named = inspect.signature(self.function).parameters
        given = {"conf_level": data.conf_level, "seed": data.seed[0] if data.seed else 0}
        return {name: given[name] for name in GIVEN if name in named} | dict(self.options)


@dataclass(frozen=True)
class _Calls:
    """Open worker processes and the function they call."""

    strategy: FrameStrategy
    pool: PythonPool
    content: bytes

    @property
    def versions(self) -> dict[str, str]:
        """Of Python."""
        return self.pool.versions

    def fit(self, datasets: Sequence[Handed]) -> tuple[Fit, list[str]]:
        """The fits and, for each dataset, why it has none; a process that dies or takes too long fails its own dataset alone."""
        from jaxsim.workers.functions import Call, function_id  # noqa: PLC0415 - as above

        strategy, name = self.strategy, function_id(self.content)
        terms = strategy.coefficients(datasets[0].names)
        calls = (Call(self.content, name, (d.rows,), strategy.arguments(d), strategy.time_limit) for d in datasets)
        fits = []
        for answer in self.pool.call_all(calls):
            fits.append(Told(status=Status.CRASHED, message=answer.error) if answer.error else told(answer.value, terms))
        return fit_of(fits, terms, datasets[0].conf_level)
