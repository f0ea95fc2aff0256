"""Contract tests for your own parts: what holds for jaxsim's processes and strategies must hold for yours.

``check_process(process)`` and ``check_estimator(strategy)`` try one on small datasets and raise an ``AssertionError`` that lists
what it breaks; in a test suite they are a line each.
"""

from jaxsim.testing.estimators import check_estimator
from jaxsim.testing.processes import check_process
from jaxsim.testing.promises import BrokenError

__all__ = ["BrokenError", "check_estimator", "check_process"]
