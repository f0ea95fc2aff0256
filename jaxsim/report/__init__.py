"""Figures and the self-contained HTML report of a study's results."""

from jaxsim.report.figures import FIGURES, Entry, draw
from jaxsim.report.page import write

__all__ = ["FIGURES", "Entry", "draw", "write"]
