"""``jaxsim doctor --report``: what a report of a wrong number needs, most of it filled in."""

from __future__ import annotations

from typing import Any

from jaxsim.cli.doctor import Diagnosis, as_text

QUESTIONS = """\
## Which number is wrong

<!-- What jaxsim says, with its Monte Carlo standard error; what is right; and how you know: another program and its version, a
     formula, a book. A number that is off by less than three Monte Carlo errors may well be right: more replicates tell. -->

## How to make it

<!-- The shortest script that shows it. Of a dataset of a study its cell and replicate and the strategy are enough: any can be made
     again (study.dataset(cell, replicate)). Of a fit of your own data: a few rows that show it. -->
"""
STUDY = """\
## The study

```json
{study}
```

Computed with {versions}.
"""
MACHINE = """\
## What is installed

```
{table}
```
"""


def as_markdown(diagnosis: Diagnosis, results: str | None) -> str:
    """A report to fill in.

    Args:
        diagnosis: of this machine.
        results: a results folder, or its address, whose study goes into the report; None for none.

    Raises:
        InputError: if the folder holds no results.
    """
    parts = [QUESTIONS, *([_study(results)] if results else []), MACHINE.format(table=as_text(diagnosis))]
    return "\n".join(parts).rstrip()


def _study(results: str) -> str:
    from jaxsim.results import load  # noqa: PLC0415 - loads JAX

    found = load(results)
    versions: dict[str, Any] = {}
    for record in found.provenance:
        versions |= dict(record.get("versions") or {})  # type: ignore[call-overload]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items()) or "nothing yet"
    return STUDY.format(study=found.study.to_json().strip(), versions=listed)
