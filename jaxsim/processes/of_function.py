"""What processes of a plain function share: the function's arguments are their fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from jaxsim.data.names import GROUP, RESPONSE
from jaxsim.errors import InputError, advised, first_line
from jaxsim.processes.checks import count_of_groups
from jaxsim.processes.process import Process


@dataclass(frozen=True, init=False)
class OfFunction(Process):
    """A process from a function of one dataset, whose first argument decides the random numbers.

    Args:
        function: of one dataset.
        factors, response, between: names of grouping factors, of the response, and of predictors that are one number a group (found
            out from a dataset when None).
        most: the largest number of groups; the argument ``n_groups`` of the function when None.
        fields: values of the function's arguments; those with defaults may be left out.

    Raises:
        InputError: for something that is no function, or arguments that it does not have or lacks.
    """

    function: Callable[..., Any]
    fields: dict[str, Any] = field(default_factory=dict)
    factors: tuple[str, ...] = (GROUP,)
    response: str = RESPONSE
    between: tuple[str, ...] | None = None
    most: int | None = None

    def __init__(
        self,
        function: Callable[..., Any],
        fields: Mapping[str, Any] | None = None,
        *,
        factors: tuple[str, ...] = (GROUP,),
        response: str = RESPONSE,
        between: tuple[str, ...] | None = None,
        most: int | None = None,
        **named: Any,
    ) -> None:
        given = dict(
            function=function,
            fields=_filled(function, {**(fields or {}), **named}),
            factors=tuple(factors),
            response=response,
            between=None if between is None else tuple(between),
            most=most,
        )
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @property
    def kind(self) -> str:
        return str(getattr(self.function, "__name__", "function"))

    @property
    def about(self) -> str:
        return first_line(self.function.__doc__)

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.fields)

    def having(self, **changes: Any) -> Self:
        options: Any = {"factors": self.factors, "response": self.response, "between": self.between, "most": self.most}
        return type(self)(self.function, {**self.fields, **changes}, **options)

    @property
    def max_groups(self) -> int:
        count = self.fields.get("n_groups") if self.most is None else self.most
        return count_of_groups(self.kind, count, f"an argument n_groups (a whole number), or {type(self).__name__}(.., most=...)")

    @property
    def identity(self) -> Hashable:
        """What tells it from others, but for the values of its fields."""
        return (type(self), self.function, self.factors, self.response, self.between, self.most)


def _filled(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Values of all parameters of a function but its first; :class:`InputError` for one that is missing or not known."""
    name = getattr(function, "__name__", repr(function))
    if not callable(function):
        raise InputError(f"{function!r} is not a function; give one such as def draw(key, n_groups=20): ...")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is parameters[0].KEYWORD_ONLY:
        raise InputError(f"{name}() takes no argument; its first is the random key, the others are fields that a grid may vary.")
    rest = {p.name: p.default for p in parameters[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for unknown in given.keys() - rest.keys():
        there = f"it has {', '.join(rest) or 'none but its first'}"
        raise InputError(advised(f"{name}() has no argument {unknown!r}", unknown, rest, there))
    missing = [field for field, default in rest.items() if default is inspect.Parameter.empty and field not in given]
    if missing:
        raise InputError(f"{name}() needs a value of {', '.join(missing)}; give it with the process, {missing[0]}=...")
    return {field: given.get(field, default) for field, default in rest.items()}
