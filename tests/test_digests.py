"""Which edits of a user's code are changes, and what is said of them."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import sys

import own_parts
import pytest

from jaxsim import Grid, PooledOLS, Study
from jaxsim.study import registry
from jaxsim.study.digests import code_of, origin

NUMBER = itertools.count()
SCRIPT = '''
import functools
import math
import jax
import jax.numpy as jnp
import numpy as np
import {helpers} as helpers
from {helpers} import scale as scaled

SIZE, WEIGHTS, OPTIONS = 2.0, np.array([1.0, 2.0]), {{"df": 5}}


class Base:
    def noise(self, key):
        return jax.random.normal(key)


class Trial(Base):
    """What it is."""

    effect: float = 0.5

    def simulate(self, key):
        # A comment.
        return self.noise(key) * SIZE + own(key) + helpers.shift(1.0) + scaled(2.0) + WEIGHTS.sum() + OPTIONS["df"]

    @property
    def size(self):
        return LIMIT


LIMIT = 7


def own(key, width=1.0):
    return inner(key) * width


@jax.jit
def inner(key):
    return jnp.sin(math.pi)


def outer(power):
    def f(data):
        return data ** power
    return f


squares = outer(2)
lambdas = [lambda rows: rows.error, lambda rows: rows.width]
part = functools.partial(own, width=2.0)


class Fixed:
    version = "1"

    def simulate(self, key):
        return 1.0
'''
HELPERS = """
FACTOR = 3.0


def scale(x):
    return x * FACTOR


def shift(x):
    return x + 1.0


def unused(x):
    return x
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """``load(edits of the script, edits of the helpers)``: the script as a module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(script=(), helpers=()):
        number = next(NUMBER)
        names = {"helpers": f"helpers_{number}", "script": f"script_{number}"}
        texts = {"helpers": HELPERS, "script": SCRIPT.format(helpers=names["helpers"])}
        for part, edits in (("helpers", helpers), ("script", script)):
            for old, new in edits:
                assert old in texts[part]
                texts[part] = texts[part].replace(old, new)
            (tmp_path / f"{names[part]}.py").write_text(texts[part])
        for part in ("helpers", "script"):
            spec = importlib.util.spec_from_file_location(names[part], tmp_path / f"{names[part]}.py")
            module = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, names[part], module)
            spec.loader.exec_module(module)
        return module

    return load


CHANGES = {
    "a method": ([("return self.noise(key) * SIZE +", "return self.noise(key) +")], (), {"SIZE", "Trial"}),
    "a default of a field": ([("effect: float = 0.5", "effect: float = 0.4")], (), {"Trial", "Trial.effect"}),
    "a property's constant": ([("LIMIT = 7", "LIMIT = 8")], (), {"LIMIT"}),
    "a constant": ([("SIZE, WEIGHTS, OPTIONS = 2.0", "SIZE, WEIGHTS, OPTIONS = 3.0")], (), {"SIZE"}),
    "an array": ([("np.array([1.0, 2.0])", "np.array([1.0, 2.5])")], (), {"WEIGHTS"}),
    "a dictionary": ([('{"df": 5}', '{"df": 6}')], (), {"OPTIONS"}),
    "a base class": ([("jax.random.normal(key)", "jax.random.t(key, 5.0)")], (), {"Base"}),
    "a function that is called": ([("return inner(key) * width", "return inner(key) / width")], (), {"own"}),
    "its default": ([("def own(key, width=1.0)", "def own(key, width=1.5)")], (), {"own", "own default"}),
    "a function inside jit": ([("jnp.sin(math.pi)", "jnp.cos(math.pi)")], (), {"inner"}),
    "a function of a module": ((), [("return x + 1.0", "return x + 2.0")], {"shift"}),
    "an imported function's constant": ((), [("FACTOR = 3.0", "FACTOR = 4.0")], {"FACTOR"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes(modules, change):
    script, helpers, names = CHANGES[change]
    old, new = code_of(modules().Trial), code_of(modules(script, helpers).Trial)
    assert {name for name in {**old, **new} if old.get(name) != new.get(name)} == names
    assert all(name in registry.changed(old, new) for name in names)


@pytest.mark.parametrize(
    ("script", "helpers"),
    [
        ([("# A comment.", "# Another comment, of two lines.\n        #")], ()),
        ([('"""What it is."""', '"""What it is, said better."""')], ()),
        ([("return inner(key) * width", "return (\n        inner(key) * width\n    )")], ()),
        ((), [("def unused(x):\n    return x", "def unused(x):\n    return -x")]),
        ([("squares = outer(2)", "squares = outer(3)")], ()),
    ],
    ids=["comment", "docstring", "layout", "an unused function", "something else"],
)
def test_what_is_no_change(modules, script, helpers):
    assert code_of(modules().Trial) == code_of(modules(script, helpers).Trial)


def test_constants_are_shown(modules):
    old, new = code_of(modules().Trial), code_of(modules([("SIZE, WEIGHTS, OPTIONS = 2.0", "SIZE, WEIGHTS, OPTIONS = 3.0")]).Trial)
    assert registry.changed(old, new) == "SIZE (2.0 there, 3.0 here)"


def test_variables_of_functions_around_it(modules):
    assert code_of(modules().squares) != code_of(modules([("squares = outer(2)", "squares = outer(3)")]).squares)


def test_two_lambdas_of_one_line(modules):
    one, other = modules().lambdas
    assert code_of(one) != code_of(other)
    assert code_of(one) == code_of(modules().lambdas[0])


def test_arguments_of_a_partial_function(modules):
    first, second = (registry.encode(modules(edits).part) for edits in ((), [("width=2.0", "width=2.5")]))
    assert first["code"] == second["code"]
    assert first["arguments"] != second["arguments"]
    assert isinstance(modules().part, functools.partial)


def test_an_author_may_say_what_is_a_change(modules):
    assert code_of(modules().Fixed) == {"version": "1"} == code_of(modules([("return 1.0", "return 2.0")]).Fixed)
    assert code_of(modules([('version = "1"', 'version = "2"')]).Fixed) == {"version": "2"}


def test_two_things_of_one_name(modules):
    """``SIZE`` of the script, and another of the helpers: an edit of either is seen."""
    helpers = [("FACTOR = 3.0", "SIZE = 3.0"), ("x * FACTOR", "x * SIZE")]
    old = code_of(modules((), helpers).Trial)
    for one, other in (("SIZE = 3.0", "SIZE = 9.0"), ("x * SIZE", "x * SIZE")):
        new = code_of(modules((), [*helpers, (one, other)]).Trial)
        assert (old == new) == (one == other)
    assert old != code_of(modules([("SIZE, WEIGHTS, OPTIONS = 2.0", "SIZE, WEIGHTS, OPTIONS = 9.0")], helpers).Trial)


def test_where_things_come_from(modules):
    module = modules()
    assert origin(module.Trial) == f"{module.__name__}:Trial"
    assert origin(module.lambdas[0]) == f"{module.__name__}:<lambda>"


def test_the_code_of_a_process_is_looked_at_once_for_all_cells(monkeypatch):
    looked = []
    monkeypatch.setattr(registry, "code_of", lambda thing: looked.append(thing) or code_of(thing))
    study = Study(own_parts.Trial(), Grid(n_groups=[4, 5, 6]), (PooledOLS(),), 2, seed=1)
    assert looked.count(own_parts.Trial) == 1
    again = Study(own_parts.Trial(), Grid(n_groups=[4, 5, 6]), (PooledOLS(),), 2, seed=1)
    assert looked.count(own_parts.Trial) == 2, "another study looks for itself: code may have changed"
    assert [cell.key for cell in study.cells] == [cell.key for cell in again.cells]
