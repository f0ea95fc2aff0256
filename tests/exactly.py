"""Results of two runs that must be the same, number for number."""

import pandas as pd


def same(results, reference) -> bool:
    """Every number of every table, to the last bit; true, so that it can be asserted in a condition."""
    pd.testing.assert_frame_equal(results.estimates, reference.estimates, check_exact=True)
    pd.testing.assert_frame_equal(results.fits, reference.fits, check_exact=True)
    return True
