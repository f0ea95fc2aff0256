"""Performance measures, each with its Monte Carlo error. To add one: a ``Measure`` in a family's file, and a line in ``CATALOGUE``.

These functions measure tables in memory; :mod:`jaxsim.measures.stream` does the same, with the same formulas, frame by frame.
"""

from jaxsim.measures.catalogue import CATALOGUE, GROUPS
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.paired import paired
from jaxsim.measures.policy import POLICIES
from jaxsim.measures.prediction import PREDICTION
from jaxsim.measures.rates import rates, reasons
from jaxsim.measures.seed_post import seed_post
from jaxsim.measures.summarise import summarise

__all__ = [
    "CATALOGUE", "GROUPS", "POLICIES", "PREDICTION", "Kit", "OwnMeasure", "paired", "rates", "reasons", "seed_post", "summarise",
]  # fmt: skip
