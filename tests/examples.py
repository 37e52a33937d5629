"""The number of examples of a property test, scaled by the profile in RNC_TEST_PROFILE."""

import os

from hypothesis import settings

FACTORS = {"usual": 1.0, "nightly": 10.0, "mutation": 0.5}
PROFILE = os.environ.get("RNC_TEST_PROFILE", "usual")


def examples(count: int) -> settings:
    """Return Hypothesis' settings for `count` examples in the usual profile, ten times as many at night."""
    return settings(max_examples=max(1, round(count * FACTORS[PROFILE])))
