"""Datasets of two crossed factors whose posteriors are stored, and the strategy that they are of."""

from crossed_data import crossed
from crossed_rows import Crossed

from jaxsim import HierarchicalBayes

STRATEGY = HierarchicalBayes(formula="DV ~ x + (x | subject) + (1 | item)", method="fast")
COUNTS = (8, 6)
# By the SDs of coefficients by both factors: some, items that hardly differ (whose SD has its posterior at zero), and much.
REFERENCES = {1: (0.8, 0.5, 0.0), 2: (0.1, 0.1, 0.0), 3: (3.0, 2.0, 0.0)}


def reference(seed: int) -> Crossed:
    """One of the datasets, a few of whose combinations are missing."""
    return crossed(seed, COUNTS, sds=REFERENCES[seed], share=0.9)
