"""``python -m jaxsim``."""

from jaxsim.cli.command import command

command()
