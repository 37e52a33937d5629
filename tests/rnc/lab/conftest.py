"""Networks that the lab's tests share."""

import pytest

from rnc.lab.engine.loading import AttackInputs
from tests.rnc.lab import networks


@pytest.fixture(scope="session")
def inputs() -> AttackInputs:
    return networks.untrained()


@pytest.fixture(scope="session")
def honest() -> AttackInputs:
    return networks.trained()
