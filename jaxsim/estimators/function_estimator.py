"""An own strategy from a plain function in JAX."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, choose
from jaxsim.estimators.estimator import Estimator
from jaxsim.estimators.own_code import OwnFunction
from jaxsim.estimators.strategy import Reads

READS: dict[str, Reads] = {"cross_products": CrossProducts, "rows": Rows}
FIELDS = tuple(f.name for f in dataclasses.fields(Fit))


@dataclass(frozen=True)
class FunctionEstimator(OwnFunction, Estimator):
    """A strategy from a function ``f(data) -> Fit`` of ONE dataset in JAX, or ``f(data, context)`` to be given a key and a level.

    The function may return a :class:`jaxsim.Fit`, a dictionary of some of its fields, or ``(estimate, std_error)``.

    Args:
        function: traceable; ``data`` is :class:`jaxsim.CrossProducts` or :class:`jaxsim.Rows`.
        label: name in the tables; the function's when None.
        data: ``cross_products`` (from every process) or ``rows`` (from processes that draw rows).
        terms: the coefficients that it estimates, in order; the process's fixed effects when None. If they are columns of the
            process, ``data.fixed`` are these.
        options: further arguments of the function, by name.

    Raises:
        InputError: for something that is no function of a dataset.
    """

    function: Callable[..., Any]
    label: str | None = None
    data: str = "cross_products"
    terms: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"function={brief(self.function)} is not a function; give one such as def fit(data): ...")
        choose("data", self.data, READS)
        super().__post_init__()

    @property
    def reads(self) -> Reads:  # type: ignore[override]  # a class has it once, a function each time
        return READS[self.data]

    @property
    def resamples(self) -> bool:
        parameters = inspect.signature(self.function).parameters.values()
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return len([p for p in needed if p.name not in self.options]) > 1

    def view(self, data: Any) -> Any:
        viewed = super().view(data)
        own = self.terms
        return viewed if own is None or not set(own) <= set(viewed.columns) else viewed.select(viewed.response, own)

    def fit(self, data: Any, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        given = (data, context) if self.resamples else (data,)
        return self._fit_of(self.function(*given, **dict(self.options)))

    def _fit_of(self, returned: Any) -> Fit:
        if isinstance(returned, Fit):
            return returned
        if isinstance(returned, Mapping):
            for name in returned:
                choose(f"field of what {self.kind} returned", name, FIELDS)
            if "estimate" in returned:
                return Fit(**returned)
        if isinstance(returned, tuple) and len(returned) == 2:
            return Fit(*returned)
        raise InputError(
            f"{self.kind} returned a {type(returned).__name__}; return a Fit, (estimate, std_error), or a dictionary with "
            "'estimate'."
        )
