"""Calls with arguments that there are not, or without those that there must be: a sentence, and no bare TypeError."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle

import pytest

import jaxsim
from jaxsim import Design, InputError, LinearMixed, PooledOLS, between, covariate, estimators, processes, scores, within
from jaxsim.calls import CallError, spoken

VERBS = [getattr(jaxsim, name) for name in ("between", "within", "covariate", "counterbalanced", "nested", "sampled", "lists")]
CLASSES = {
    *estimators.CATALOGUE.values(), *processes.CATALOGUE.values(), *scores.CATALOGUE.values(), jaxsim.Study, jaxsim.Normal,
    jaxsim.Uniform, jaxsim.UniformSizes, jaxsim.PoissonSizes, jaxsim.LogNormalSizes,
}  # fmt: skip
# Fields of their own by any name.
OPEN = ("FunctionProcess", "FrameProcess")
EVERYTHING = [*VERBS, *sorted(CLASSES, key=lambda kind: kind.__name__)]


@pytest.mark.parametrize("called", EVERYTHING, ids=lambda called: called.__name__)
class TestEverythingThatStudiesAreMadeOf:
    def test_an_unknown_argument_is_named_with_all_that_there_are(self, called):
        if called.__name__ in OPEN:
            return
        with pytest.raises(InputError, match=rf"^{called.__name__}\(\.\., nonsense=3\): there is no argument 'nonsense'\.") as told:
            called(nonsense=3)
        for name in inspect.signature(called).parameters:
            assert name in str(told.value)

    def test_one_that_is_lacking_is_named(self, called):
        needed = [
            p.name
            for p in inspect.signature(called).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if needed:
            with pytest.raises(InputError, match=rf"{called.__name__}\(\): .*'{needed[0]}'\. It takes {needed[0]}"):
                called()

    def test_too_many_are_refused(self, called):
        if not any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(called).parameters.values()):
            with pytest.raises(InputError, match=rf"{called.__name__}\(.*\): too many positional arguments\. It takes"):
                called(*range(30))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: within(levels=("pre", "post")), "there is no argument 'levels'. Give the levels one after the other"),
        (lambda: within("pre", "post", repeats=3), "Design(.., repeats=40)"),
        (lambda: between("subject", ("a", "b"), repeats=3), "Design(.., repeats=40)"),
        (lambda: within(1, 2, jiter=0.5), "Did you mean 'jitter'? It takes *levels, jitter, such as within('pre', 'post')"),
        (lambda: covariate(unit="subject"), "Say the unit first"),
        (lambda: jaxsim.Study(strategies=()), "estimators=(LinearMixed(), TwoStage())"),
        (lambda: jaxsim.Study(replicate=5), "Did you mean 'replicates'?"),
        (lambda: LinearMixed(degrees=1), "there is no argument 'degrees'. It takes formula"),
        (lambda: between([], ("a", "b")), "between([], ..): name the unit first"),
        (lambda: between(5, ("a", "b")), "between(5, ..): name the unit first"),
    ],
)
def test_what_people_give_instead(call, said):
    with pytest.raises(InputError) as told:
        call()
    assert said in str(told.value)


def test_it_is_still_a_type_error():
    with pytest.raises(TypeError):
        within(levels=3)
    assert issubclass(CallError, TypeError)


def test_long_arguments_are_not_quoted():
    with pytest.raises(InputError, match=r"^Study\(\.\.\): missing"):
        jaxsim.Study(tuple(range(500)), tuple(range(500)))


def test_errors_inside_are_what_they_were():
    @spoken("f(1)")
    def f(x: int) -> int:
        """Add."""
        return x + "a"

    with pytest.raises(TypeError, match="unsupported operand") as told:
        f(1)
    assert not isinstance(told.value, CallError)


def test_classes_are_what_they_were():
    ols = PooledOLS(label="a")
    assert pickle.loads(pickle.dumps(ols)) == copy.deepcopy(ols) == dataclasses.replace(PooledOLS(), label="a")
    assert list(inspect.signature(PooledOLS).parameters) == ["label", "estimand", "formula"]

    @dataclasses.dataclass(frozen=True)
    class Mine(PooledOLS):
        more: int = 3

    assert Mine(more=4).more == 4


@pytest.mark.parametrize(
    ("variable", "written"),
    [
        (within(0, 1.5, 3), "within(0, 1.5, 3)"),
        (within(0, 9, jitter=0.5), "within(0, 9, jitter=0.5)"),
        (between("s", ("a", "b")), "between('s', ('a', 'b'))"),
        (between("s", (1, 2), (2, 1), randomised=True), "between('s', (1, 2), ratio=(2, 1), randomised=True)"),
        (covariate("row", jaxsim.Normal(0, 1), icc=0.25), "covariate('row', Normal(mean=0, sd=1), icc=0.25)"),
        (jaxsim.counterbalanced(("a", "b"), ("s", "i")), "counterbalanced(('a', 'b'), over=('s', 'i'))"),
    ],
)
def test_variables_are_written_as_they_are_given(variable, written):
    assert str(variable) == written
    names = {name: getattr(jaxsim, name) for name in ("within", "between", "covariate", "counterbalanced", "Normal")}
    assert eval(written, names) == variable


def test_a_design_can_be_had_as_before():
    assert Design("y ~ 1 + (1 | s)", {"s": 4}).units == {"s": 4}
