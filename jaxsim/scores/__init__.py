"""What is measured of every fit besides its coefficients. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.calls import spoken_class
from jaxsim.scores.group_recovery import GroupRecovery
from jaxsim.scores.prediction import Prediction
from jaxsim.scores.score import Score

CATALOGUE: dict[str, type[Score]] = {"GroupRecovery": GroupRecovery, "Prediction": Prediction}

for _kind in CATALOGUE.values():
    spoken_class(_kind)

__all__ = ["CATALOGUE", "GroupRecovery", "Prediction", "Score"]
