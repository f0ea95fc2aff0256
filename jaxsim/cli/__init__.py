"""What a person types: ``jaxsim run``, ``plan``, ``summary``, ``report``, ``audit``, ``doctor``."""

from jaxsim.cli.main import main, run_script

__all__ = ["main", "run_script"]
