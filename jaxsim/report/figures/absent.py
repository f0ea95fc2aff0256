"""Why a study has not what a figure shows."""

from jaxsim.errors import InputError


class Absent(InputError):
    """A figure that a study has nothing for; the message says what there would have to be, as the end of a sentence."""
