"""Where results come from: versions, device, precision, seed, command, and what the time went into."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import jax

from jaxsim.study.study import Study

PACKAGES = ("jaxsim-studies", "jax", "jaxlib", "numpy", "scipy", "pandas", "pyarrow")


@dataclass
class Provenance:
    """The record of one session, filled while it runs."""

    record: dict[str, object]
    clock: float
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, study: Study) -> Provenance:
        """Start the record."""
        device = jax.devices()[0]
        record: dict[str, object] = {
            "started": _now(),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "seed": study.seed,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "platform": f"{platform.system()} {platform.machine()}",
            "device": f"{device.platform}: {device.device_kind} x {jax.local_device_count()}",
            "dtype": study.dtype,
        }
        return cls(record, time.perf_counter())

    def add_versions(self, versions: dict[str, str]) -> None:
        """Record the versions of other software that fits."""
        self.record["versions"] = {**self.record["versions"], **versions}  # type: ignore[dict-item]

    def spend(self, phase: str, seconds: float) -> None:
        """Add wall-clock seconds to a phase (waiting for its program to compile included)."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def unfinished(self) -> dict[str, object]:
        """The record of a session that is still at work, or was killed."""
        return {**self.record, "finished": None}

    def finish(self) -> dict[str, object]:
        """The complete record."""
        total = time.perf_counter() - self.clock
        parts = {phase: round(seconds, 3) for phase, seconds in self.seconds.items()}
        return {**self.record, "finished": _now(), "seconds": {"total": round(total, 3), **parts}}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@functools.cache
def version(package: str) -> str:
    """Version of an installed distribution, looked up once a process: reading what it says of itself takes a millisecond."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
