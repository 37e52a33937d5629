"""The budget of tests, set by the profile in RNC_TEST_PROFILE: examples of property tests, and cases left to the night."""

import os

from hypothesis import settings

FACTORS = {"quick": 0.25, "usual": 1.0, "nightly": 10.0, "mutation": 0.5}
PROFILE = os.environ.get("RNC_TEST_PROFILE", "usual")
NIGHTLY = PROFILE == "nightly"
"""True where grids and sweeps run in full; otherwise a test runs the cases that differ, and says which."""


def examples(count: int) -> settings:
    """Return Hypothesis' settings for `count` examples in the usual profile; `FACTORS` has the others' shares."""
    return settings(max_examples=max(1, round(count * FACTORS[PROFILE])))
