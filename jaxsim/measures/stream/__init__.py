"""The same measures from frames that come one after another: memory does not grow with the number of datasets."""

from jaxsim.measures.stream.performance import Performance

__all__ = ["Performance"]
