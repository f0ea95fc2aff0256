"""What a worker sends back of an R function that a user wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxsim.errors import InputError, choose
from jaxsim.status import LABELS, Status


@dataclass(frozen=True, eq=False)
class CodeOutcome:
    """What the function found in one dataset, or why it found nothing.

    Attributes:
        status: the function's own; else ``not_converged`` or ``singular`` if it says so, ``ok`` if it says nothing. ``refused`` if
            R stopped with an error or the function returned something else than it may; ``crashed`` if the process died.
        messages: the function's, or R's words.
        table: ``term``, ``estimate`` and those of ``std_error, statistic, df, p_value, conf_low, conf_high`` that were returned,
            each a list with one entry a term; empty if there is none.
        sigma, criterion: NaN unless the function gave them.
        converged, singular: as the function said, else as ``status`` has it.
        seconds: that the worker took.
        versions: of R, its packages and Python's.
    """

    status: Status
    messages: tuple[str, ...] = ()
    table: dict[str, list[Any]] = field(default_factory=dict)
    sigma: float = np.nan
    criterion: float = np.nan
    converged: bool = False
    singular: bool = False
    seconds: float = np.nan
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """All messages on one line."""
        return "; ".join(" ".join(message.split()) for message in self.messages)


def from_code(found: dict[str, Any]) -> CodeOutcome:
    """An outcome from what ``run`` in code.R lists, in its names.

    Raises:
        InputError: for a status that is none, or one with numbers but without a table.
    """
    said = {name: value[0] for name, value in found.items() if name != "table" and value is not None}
    table = {name: list(values) for name, values in (found["table"] or {}).items()}
    status = _status(said)
    if status.has_numbers and not table:
        raise InputError(f"the R function returned no 'table', and no status that says why (it is {status.label!r}).")
    return CodeOutcome(
        status=status,
        messages=(said["message"],) if said.get("message") else (),
        table={name: [value if name == "term" else float(value) for value in values] for name, values in table.items()},
        sigma=float(said.get("sigma", np.nan)),
        criterion=float(said.get("criterion", np.nan)),
        converged=bool(said.get("converged", status.usable)),
        singular=bool(said.get("singular", status is Status.SINGULAR)),
    )


def _status(said: dict[str, Any]) -> Status:
    if "status" in said:
        return Status[choose("status", said["status"], LABELS).upper()]
    if not said.get("converged", True):
        return Status.NOT_CONVERGED
    return Status.SINGULAR if said.get("singular", False) else Status.OK
