"""The one place that says which version this is: ``pyproject.toml`` reads it, and so does everything here.

Asking the installation for it would take longer than all else that ``import jaxsim`` does.
"""

VERSION = "0.4.0"
