"""An own process from a plain function in JAX."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jax

from jaxsim.processes import told
from jaxsim.processes.of_function import OfFunction
from jaxsim.processes.row_process import Columns, RowProcess, Truths


@dataclass(frozen=True, init=False)
class FunctionProcess(OfFunction, RowProcess):
    """A process from a function ``f(key, **fields) -> (truth, columns)`` in JAX; see :meth:`jaxsim.RowProcess.simulate`.

    ``FunctionProcess(trial, n_groups=20, icc=.05)``: the function's arguments but the key are factors that a grid may vary.

    Args:
        function: of one dataset.
        factors, response, between: names of grouping factors, of the response, and of predictors that are one number a group (found
            out from a dataset when None).
        most: the largest number of groups; the argument ``n_groups`` of the function when None.
        fields: values of the function's arguments; those with defaults may be left out.

    Raises:
        InputError: for something that is no function, or arguments that it does not have or lacks.
    """

    function: Callable[..., tuple[Truths, Columns]]

    def holding(self, values: Mapping[str, Any]) -> Self:
        return self.having(**values)

    @property
    def float_fields(self) -> tuple[str, ...]:
        """Floats, and whole numbers where the argument's default is a float."""
        defaults = {name: p.default for name, p in inspect.signature(self.function).parameters.items()}
        return told.float_fields(self.values, lambda name: isinstance(defaults.get(name), float))

    def simulate(self, key: jax.Array) -> tuple[Truths, Columns]:
        return self.function(key, **self.fields)
