"""What keeps others out of a cluster that a run starts for itself: a scheduler without it runs what anybody sends to its port."""

from __future__ import annotations

from typing import Any

from jaxsim.errors import InputError


def certificates() -> Any:
    """A key and a certificate that are made for one cluster, and that its scheduler, its workers and its client alone have.

    Raises:
        InputError: if what makes them is not installed.
    """
    from distributed import Security  # noqa: PLC0415 - an extra

    try:
        return Security.temporary()
    except ImportError as error:
        raise InputError(
            f"a Dask cluster that a run starts is protected by TLS, and that needs cryptography ({error}): "
            "pip install 'jaxsim-studies[dask]'."
        ) from error
