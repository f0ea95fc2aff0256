"""R writes tests/reference again: the data sets of its packages are those stored, and so is what it says about them."""

from __future__ import annotations

import gzip
import json
import math

import pytest
from asking import STORED, run

pytestmark = pytest.mark.lme4

REFERENCE = STORED.parent
# theta is not unique at a singular fit; the gradient is rounding; messages depend on where the search stopped.
NOT_COMPARED = {"versions", "theta", "max_gradient", "lme4_messages"}
# lmerTest differentiates numerically, and p values and confidence limits multiply the error of df.
ROUGH = {"df": 1e-4, "p": 1e-3, "half_width": 1e-4}


def content(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_data(r_script, tmp_path):
    run(r_script, REFERENCE / "make_data.R", tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert len(made) == 23
    assert [name for name in made if content(tmp_path / name) != content(REFERENCE / "data" / name)] == []


def leaves(tree, path=()):
    """``(path, numbers or text)`` of every array and scalar; a matrix is one array."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in NOT_COMPARED:
                yield from leaves(value, (*path, key))
    else:
        yield path, flat(tree)


def flat(values):
    return [item for value in values for item in flat(value)] if isinstance(values, list) else [values]


def differ(path, stored, made):
    """Beyond the accuracy of the numbers (1e-8 by README.md), in units of the largest of their array."""
    if any(isinstance(value, (str, bool, type(None))) for value in (*stored, *made)):
        return stored != made
    tolerance = ROUGH.get(path[-1], 1e-7)
    size = max(map(abs, stored), default=0.0)
    each = path[-1] in ("se", "df")
    return len(stored) != len(made) or any(
        not math.isclose(a, b, rel_tol=tolerance if each else 0.0, abs_tol=0.0 if each else tolerance * size)
        for a, b in zip(stored, made, strict=True)
    )


def test_reference(r_script, tmp_path):
    run(r_script, REFERENCE / "make_reference.R", tmp_path / "reference.json")
    stored, made = (dict(leaves(json.loads((f / "reference.json").read_text()))) for f in (REFERENCE, tmp_path))
    assert stored.keys() == made.keys()
    assert [path for path in stored if differ(path, stored[path], made[path])] == []
