"""Strategies that see one grouping factor, and which of a process's factors that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jaxsim.data.names import Names
from jaxsim.errors import InputError, advised, brief
from jaxsim.estimators.formulated import Formulated


@dataclass(frozen=True)
class Clustered(Formulated):
    """A strategy on cross-products that groups rows by one factor and ignores all others.

    Args:
        cluster: the grouping factor, such as ``"item"``; the process's first when None.
    """

    cluster: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cluster is not None and not isinstance(self.cluster, str):
            raise InputError(
                f"{type(self).__name__}(cluster={brief(self.cluster)}): give the name of one grouping factor, such as 'item', or "
                "None for the first; MultiwayCluster takes several."
            )

    def grouping(self, names: Names) -> str:
        """The grouping factor."""
        return self.cluster or names.factors[0]

    def check(self, names: Names) -> None:
        if self.cluster is not None:
            require_factor(names, self.cluster, f"strategy {self.name!r}: cluster")
        super().check(names)

    def view(self, data: Any) -> Any:
        """By its grouping factor and with the formula's columns."""
        return self.with_formula(data.grouped(self.cluster))


def require_factor(names: Names, factor: str, what: str) -> None:
    """Raise :class:`InputError` unless the process has this grouping factor."""
    if factor not in names.factors:
        said = f"{what}={factor!r} is not a grouping factor of the process"
        raise InputError(advised(said, factor, names.factors, f"it has {', '.join(names.factors)}"))
