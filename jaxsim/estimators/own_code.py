"""What strategies share that are somebody's own code: which coefficients it estimates, what it is called and given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxsim.data.names import Names
from jaxsim.errors import check_options, first_line, names_given
from jaxsim.estimators import wording
from jaxsim.estimators.strategy import Strategy


class OwnCode(Strategy):
    """A strategy that is somebody's code. Subclasses are frozen dataclasses with this field.

    Attributes:
        terms: the coefficients that it estimates; the process's fixed effects when None.
    """

    terms: tuple[str, ...] | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.terms is not None:
            object.__setattr__(self, "terms", names_given("terms", self.terms))

    def coefficients(self, names: Names) -> tuple[str, ...]:
        return names.fixed if self.terms is None else self.terms

    def in_words(self, names: Names) -> tuple[str, ...]:
        return () if self.terms is None else (f"estimates {', '.join(self.terms)}",)


class OwnFunction(OwnCode):
    """A strategy that is a Python function, and called after it. Subclasses are frozen dataclasses with these fields too.

    Attributes:
        function: that is called.
        label: name in the tables; the function's when None.
        options: further arguments of the function, by name.
    """

    function: Callable[..., Any]
    label: str | None
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(self.options)

    @property
    def name(self) -> str:
        return self.label or self.kind

    @property
    def kind(self) -> str:
        return str(getattr(self.function, "__name__", "function"))

    def in_words(self, names: Names) -> tuple[str, ...]:
        called = (f"the function {self.called}",) if self._documented else ()  # else :attr:`about` says it
        given = (f"{name}={wording.written(value)}" for name, value in self.options.items())
        return (*called, *super().in_words(names), *given)

    @property
    def about(self) -> str:
        """What the function says of itself, or whose it is."""
        return self._documented or f"your own function {self.called}"

    @property
    def called(self) -> str:
        """The function's name, and what it is given."""
        return f"{self.kind} of each dataset's {getattr(self, 'data', 'rows').replace('_', '-')}"

    @property
    def _documented(self) -> str:
        return first_line(self.function.__doc__)
