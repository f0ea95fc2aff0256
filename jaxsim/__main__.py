"""``python -m jaxsim``."""

import sys

from jaxsim.cli.main import main

sys.exit(main())
