"""Tables of measurements: printed, and written as CSV and Markdown with what they were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"


def header(script: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Date, command, versions and kind of device; take it before measuring, so that ``load`` is that of other processes.

    Args:
        script: file name of the benchmark.
        arguments: its command line; folders given with ``--out``, ``--other`` or ``--environments`` are left out.
        extra: more lines.
    """
    device = jax.devices()[0]
    kind = f"{_processor()}, {os.cpu_count()} cores" if device.platform == "cpu" else device.device_kind
    kept = re.sub(r"\s*--(out|other|environments)[ =]\S+", "", " ".join(arguments)).strip()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"python benchmarks/{script} {kept}".rstrip(),
        "versions": f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}",
        "device": f"{device.platform}: {kind}",
        "load": f"{os.getloadavg()[0]:.1f} at the start (processes that wanted a core, one-minute mean)",
        **(extra or {}),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def markdown(frame: pd.DataFrame, digits: int = 3) -> str:
    """A frame as a Markdown table, numbers to ``digits`` significant digits."""
    rows = [[shown(value, digits) for value in row] for row in frame.itertuples(index=False)]
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    rule = ["---:" if right else "---" for right in numeric]
    lines = [[str(name) for name in frame.columns], rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def shown(value: object, digits: int = 3) -> str:
    """A number to ``digits`` significant digits, with thousands separated; text as it is."""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return str(value).replace("|", "\\|")


def write(
    out: Path,
    stem: str,
    title: str,
    head: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str],
    csv: str | None = None,
) -> None:
    """Print the tables, and write ``STEM-DEVICE.md`` (all of them) and ``STEM-DEVICE.csv`` (one).

    Args:
        out: folder, made if need be.
        stem: name of the files; the platform of the device is added, so that a GPU's results do not replace a CPU's.
        title: of the page.
        head: from :func:`header`.
        tables: caption to frame.
        notes: paragraphs between the header and the tables: the findings.
        csv: caption of the table for the CSV file; the first one when None.
    """
    parts = [f"# {title}", "\n".join(f"- {name}: {value}" for name, value in head.items()), *notes]
    for caption, frame in tables.items():
        parts += [f"## {caption}", markdown(frame)]
    page = "\n\n".join(parts) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    name = f"{stem}-{jax.default_backend()}"
    (out / f"{name}.md").write_text(page)
    tables[csv or next(iter(tables))].to_csv(out / f"{name}.csv", index=False)
    print(page)
