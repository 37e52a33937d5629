"""The current time in the form that the store keeps.

Tested by tests/rnc/store/test_writer.py.
"""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
