"""What is promised, kept or broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jaxsim.errors import InputError, in_brief


class BrokenError(AssertionError):
    """A part of the user's own that breaks promises; the text lists them, ``broken`` has them by name."""

    def __init__(self, what: str, broken: Mapping[str, str], kept: tuple[str, ...]) -> None:
        lines = [f"{what} breaks {len(broken)} of {len(broken) + len(kept)} promises:"]
        super().__init__("\n".join([*lines, *(f"- {name}: {how}" for name, how in broken.items())]))
        self.broken = dict(broken)


@dataclass
class Promises:
    """Promises of one part, as they are tried.

    Attributes:
        what: the part, for the message.
        kept: promises that held.
        broken: those that did not, with how.
    """

    what: str
    kept: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def promise(self, name: str) -> Iterator[None]:
        """Try one: an assertion, or an error of any kind, breaks it."""
        try:
            yield
        except InputError as error:
            self.broken[name] = str(error)
        except AssertionError as error:
            self.broken[name] = str(error) or "it does not hold"
        except Exception as error:
            self.broken[name] = in_brief(error)
        else:
            self.kept.append(name)

    def settle(self) -> tuple[str, ...]:
        """The promises that were kept; raises :class:`BrokenError` if any was not."""
        if self.broken:
            raise BrokenError(self.what, self.broken, tuple(self.kept))
        return tuple(self.kept)


def alike(one: Any, other: Any, tolerance: float, what: str) -> None:
    """Assert that two pytrees have the same numbers up to a tolerance relative to their size; NaN equals NaN."""
    pairs = list(zip(*(jax.tree.leaves(jax.device_get(tree)) for tree in (one, other)), strict=True))
    for a, b in pairs:
        first, second = np.asarray(a, float), np.asarray(b, float)
        assert first.shape == second.shape, f"{what}: shapes {first.shape} and {second.shape}"
        missing = np.isnan(first) != np.isnan(second)
        assert not missing.any(), f"{what}: a number is NaN in one and not in the other"
        scale = np.nanmax(np.abs(first), initial=0.0)
        with np.errstate(invalid="ignore"):  # two infinities
            apart = np.nanmax(np.abs(np.where(first == second, 0.0, first - second)), initial=0.0)
        assert apart <= tolerance * max(scale, 1.0), f"{what}: numbers differ by {apart:.3g} (of size {scale:.3g})"


def same(one: Any, other: Any) -> bool:
    """Whether two pytrees have the same numbers, to the last bit."""
    leaves = (jax.tree.leaves(jax.device_get(tree)) for tree in (one, other))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*leaves, strict=True))


def attempt(function: Callable[[], Any], what: str) -> Any:
    """The value of a function; an error of it says what was tried."""
    try:
        return function()
    except Exception as error:
        raise AssertionError(f"{what}: {in_brief(error)}") from error
