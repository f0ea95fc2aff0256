"""An audit of finished fits by lme4: a random sample is fitted again in R, and every difference is explained or blamed."""

from jaxsim.audit.run import audit

__all__ = ["audit"]
