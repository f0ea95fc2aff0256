"""Whether R can read an R function that a user wrote, found out before any dataset is drawn."""

from __future__ import annotations

from jaxsim.r.code_request import check_text
from jaxsim.r.shared import shared_pool


def check_code(text: str) -> None:
    """Have a worker read R code: an open one of :func:`~jaxsim.r.shared.shared_pool`, else one that is started (some seconds).

    Args:
        text: as for :class:`~jaxsim.r.code_request.CodeRequest`.

    Raises:
        InputError: with R's words and the line if R cannot parse it, if evaluating it fails (a package that is not there, say), if
            it gives no function of one argument; or if R is missing, with the command that installs it.
    """
    check_text(text)
    with shared_pool() as pool:
        pool.check_code(text)
