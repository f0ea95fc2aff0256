"""One look for every figure that jaxsim draws: type, lines, colours. Nothing of matplotlib is imported for it."""

from __future__ import annotations

from typing import Any

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#666666",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,  # a $ in a label is a dollar
    "svg.fonttype": "path",
    "svg.hashsalt": "jaxsim",  # the same results give the same file
}
DPI = 110
GRID = "#e4e4e4"
REFERENCE = "#333333"
# Okabe & Ito (2008): distinct for colour-blind readers.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
