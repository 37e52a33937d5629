"""Networks that the lab's tests share."""

import pytest

from rnc.lab.engine.loading import Subject
from tests.rnc.lab import networks


@pytest.fixture(scope="session")
def subject() -> Subject:
    return networks.untrained()


@pytest.fixture(scope="session")
def honest() -> Subject:
    return networks.trained()
