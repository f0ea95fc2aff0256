"""Effects of the truth that a strategy's formula leaves out, and which of its coefficients are others for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from jaxsim.counts import listed
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.lme4 import Lme4
from jaxsim.estimators.strategy import Strategy
from jaxsim.estimators.within_regression import WithinRegression
from jaxsim.processes.designed.design import Design
from jaxsim.processes.designed.variables import Between, Covariate, Within
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.study.outline import Outline

Variables = frozenset[str]


def left_out_in_words(study: Outline) -> Iterator[str]:
    """A sentence for the strategies that leave out the same effects: these coefficients of theirs are those of another model than
    the one whose true values they are compared with.

    Only effects count that are not zero in every cell. Which coefficients depend on them is known of a :class:`jaxsim.Design`: the
    intercept, unless what is left out has a mean of zero; what interacts with it, or is an interaction of it; other levels of the
    same factor; covariates that are correlated with it. None do of :class:`jaxsim.GaussianMultilevel`, whose predictors are
    independent with a mean of zero. What a strategy's ``estimand`` names is compared with what the user says.
    """
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for strategy in study.estimators:
        left = _left_out(study, strategy)
        if left:
            found.setdefault((left, _dependent(study, strategy, left)), []).append(strategy.name)
    for (left, dependent), names in found.items():
        if dependent:
            yield _sentence(names, left, dependent, isinstance(study.process, Design))


def _sentence(names: Sequence[str], left: Sequence[str], dependent: Sequence[str], is_known: bool) -> str:
    """Of some strategies that leave out the same; ``is_known`` where it is known that the others depend on it."""
    leave, their = ("leave", "their") if len(names) > 1 else ("leaves", "its")
    it, has = ("them", "they have") if len(left) > 1 else ("it", "it has")
    those = "are those" if len(dependent) > 1 else "is that"
    unless = "" if is_known else f"unless {has} a mean of zero and no correlation with the others, "
    return (
        f"{listed(names)} {leave} out {listed(left)}: {unless}{their} {listed(dependent)} {those} of a model without {it}, but "
        f"compared here with the truth of the model with {it}. The difference of the two counts as bias."
    )


def _left_out(study: Outline, strategy: Strategy) -> tuple[str, ...]:
    """Fixed effects of the process that are not zero everywhere and have no place in the strategy's formula."""
    names = study.names
    if not isinstance(strategy, Formulated | Lme4) or strategy.formula is None or strategy.plain.response != names.response:
        return ()
    absorbed = names.constant if isinstance(strategy, WithinRegression) else ()
    own = {*strategy.plain.fixed(names), *INTERCEPTS, *absorbed}
    return tuple(term for term in names.fixed if term not in own and _has_effect(study, term))


def _has_effect(study: Outline, term: str) -> bool:
    """Whether a fixed effect is not zero in some cell; so it is of processes that do not say."""
    return any(not isinstance(cell.process, Design) or cell.process.effects.get(term, 0) != 0 for cell in study.cells)


def _dependent(study: Outline, strategy: Strategy, left: tuple[str, ...]) -> tuple[str, ...]:
    """Which of a strategy's coefficients are others without these effects."""
    process = study.process
    if type(process) is GaussianMultilevel:
        return ()
    own = [term for term in strategy.coefficients(study.names) if term not in strategy.compared]
    if not isinstance(process, Design):
        return tuple(own)
    made_of = {term: _variables(study.names, term) for term in strategy.coefficients(study.names)}
    gone = [_variables(study.names, term) for term in left]
    return tuple(term for term in own if any(_depends(process, made_of[term], one, made_of.values()) for one in gone))


def _depends(design: Design, own: Variables, without: Variables, there: Collection[Variables]) -> bool:
    """Whether a coefficient is another one in a model without a term; all three are told by their variables."""
    if any(own <= one for one in there if without <= one):  # what remains of it takes its place
        return True
    pairs = {frozenset(pair) for pair in design.correlations}
    correlated = [one for one in there if any(frozenset((a, b)) in pairs for a in one for b in without)]
    # what a product is on average besides its own variables: nothing where one of the others has a mean of zero
    return any(own <= one and not any(_is_centred(design, name) for name in one - own) for one in (without, *correlated))


def _variables(names: Names, term: str) -> Variables:
    """The variables that a term is made of; none of the intercept."""
    of = {column: one.variable for one in names.coded for column in (*one.contrasts, *one.levels)}
    return frozenset() if term in INTERCEPTS else frozenset(of.get(part, part) for part in term.split(":"))


def _is_centred(design: Design, variable: str) -> bool:
    """Whether a variable's mean is zero; not known of what is computed from variables."""
    one = design.variables.get(variable)
    if one is None or one.names is not None:
        return False
    if isinstance(one, Covariate):
        return one.distribution.moments[0] == 0
    levels = [float(level) for level in one.levels]
    shares = one.shares if isinstance(one, Between) else (1 / len(levels),) * len(levels)
    mean = sum(level * share for level, share in zip(levels, shares, strict=True))
    return isinstance(one, Between | Within) and abs(mean) <= 1e-12 * max(map(abs, levels))
