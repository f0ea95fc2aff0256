"""A matplotlib figure that shows itself in a notebook."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from jaxsim.style import DPI, RC


class Picture(Figure):
    """A :class:`matplotlib.figure.Figure` like any other, with ``savefig``, ``axes`` and all that.

    It is not registered with pyplot, so that nothing is left over in memory and no notebook shows it twice. But IPython shows a
    bare figure only after ``%matplotlib inline``; this one says by itself how it looks, as PNG.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with mpl.rc_context(RC):
            self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
