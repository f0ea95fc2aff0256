"""Which fits can be compared by their likelihoods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxsim.errors import InputError, NotSupportedError, brief
from jaxsim.frames import crossed_fit
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.identification import cause, of_model
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of
from jaxsim.frames.whitening import whitened
from jaxsim.numerics.row_basis import RANK_TOLERANCE, orthonormal, residual


def check_likelihood(fit: object) -> None:
    """Raise :class:`InputError` unless it is a fit with a likelihood."""
    if not isinstance(fit, Fitted):
        raise InputError(f"anova compares results of lmer and ols; {brief(fit)} is none.")
    if isinstance(fit.model, MixedModel) and fit.status in ("ok", "singular", "unidentified"):
        _check_identified(fit)
    if fit.status not in ("ok", "singular") or fit.criterion is None:
        raise InputError(f"the fit of {fit.formula!r} has no likelihood to compare; its status is {fit.status!r}.")
    if not isinstance(fit.model, MixedModel) and fit.model.groups is not None:
        raise NotSupportedError(
            f"the fit of {fit.formula!r} has cluster-robust errors, because its rows are not independent; then least squares has "
            "no likelihood. Test the larger model's coefficients with fit.test(..) or fit.anova(), or fit both models with lmer."
        )


def _check_identified(fit: Fitted) -> None:
    """Raise :class:`InputError` where REML does not know a variance: maximum likelihood makes it zero whatever it is."""
    assert isinstance(fit.model, MixedModel)
    model = whitened(fit.model)
    if model.several:
        why = crossed_fit.unidentified(model)
    else:
        found = of_model(model)
        why = "" if found.everything else f"{cause(found, model)}, and so would the comparison"
    if why:
        raise InputError(
            f"{fit.formula!r} cannot be compared with other models: {why}. Coefficients that do not depend on it are tested by "
            "fit.test(..) after REML."
        )


def check_rows(first: Fitted, other: Fitted) -> None:
    """Raise :class:`InputError` unless both were fitted to the same responses of the same rows, equally weighted."""
    if len(first.model.y) != len(other.model.y):
        raise InputError(
            f"{first.formula!r} was fitted to {len(first.model.y)} rows and {other.formula!r} to {len(other.model.y)}: likelihoods "
            "of different rows cannot be compared. Drop the rows in which any of their columns is missing first."
        )
    if not first.model.rows.index.equals(other.model.rows.index) or not np.array_equal(first.model.y, other.model.y):
        raise InputError(f"{first.formula!r} and {other.formula!r} were fitted to different rows or responses; take the same.")
    check_weights(first, other)


def check_weights(first: Fitted, other: Fitted) -> None:
    """Raise :class:`InputError` unless both have the same weights of rows."""
    if not np.array_equal(weights_of(first.model), weights_of(other.model)):
        raise InputError(
            f"{first.formula!r} and {other.formula!r} were fitted with different weights of rows, so neither says what the other "
            "does of their residual variances; fit both with the same weights=."
        )


def check_offsets(small: Fitted, large: Fitted) -> None:
    """Raise :class:`InputError` unless the larger model has the smaller one's offset or columns for the difference."""
    if not _within(offset_of(small.model) - offset_of(large.model), large.model.x.values):
        raise InputError(
            f"{small.formula!r} and {large.formula!r} have different offsets and are not nested; fit both with the same offset, or "
            "give the larger one a coefficient for what differs."
        )


def check_nested(small: Fitted, large: Fitted) -> None:
    """Raise :class:`InputError` unless the larger model can do all that the smaller one can."""
    advice = "are not nested, so there is no likelihood-ratio test; compare their .aic or .bic."
    if small.n_parameters == large.n_parameters:
        raise InputError(f"{small.formula!r} and {large.formula!r} have equally many parameters and {advice}")
    columns, wide = zip(small.model.x.names, small.model.x.values.T, strict=True), large.model.x.values
    outside = [name for name, column in columns if not _within(column, wide)]
    if outside:
        raise InputError(f"{small.formula!r}, with {outside[0]}, and {large.formula!r}, without it, {advice}")
    check_offsets(small, large)
    if not isinstance(small.model, MixedModel):
        return
    if not isinstance(large.model, MixedModel):
        raise InputError(f"{small.formula!r} and {large.formula!r} have different groups and {advice}")
    same = {
        f: [g for g, other in enumerate(large.model.factors) if np.array_equal(in_order(factor.codes), in_order(other.codes))]
        for f, factor in enumerate(small.model.factors)
    }
    if not all(same.values()):
        raise InputError(f"{small.formula!r} and {large.formula!r} have different groups and {advice}")
    for block in small.model.blocks:
        others = [other for other in large.model.blocks if other.factor in same[block.factor]]
        if not any(all(_within(column, other.values) for column in block.values.T) for other in others):
            random = ", ".join(block.names)
            raise InputError(f"the random effects of {small.formula!r} ({random}) and of {large.formula!r} {advice}")


def in_order(codes: np.ndarray) -> np.ndarray:
    """Groups of the rows ``[N]``, numbered as they first occur: the same where the same rows are together, whatever their names."""
    _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _within(column: np.ndarray, columns: np.ndarray) -> bool:
    """Whether a column is a combination of others, which are independent."""
    _, rest = residual(orthonormal(columns), column)
    return bool(np.linalg.norm(rest) <= RANK_TOLERANCE * np.linalg.norm(column))


def check_restricted(fits: Sequence[Fitted]) -> None:
    """Raise :class:`InputError` unless restricted likelihoods of these fits can be compared."""
    if not all("REML" in fit.method for fit in fits):
        raise InputError("refit=False cannot compare a REML criterion with a likelihood; leave it out, or fit all with reml=True.")
    names = fits[0].model.x.names
    if any(fit.model.x.names != names for fit in fits):
        raise InputError("refit=False cannot compare REML fits with different fixed effects; leave it out: ML refits can be.")
