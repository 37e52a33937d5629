"""The numbers of runs that the findings page judges and shows, read once for each selection.

Tested by tests/pages/test_first_screen.py.
"""

import pandas as pd

from rnc.claims import USED
from rnc.ui import opened_store
from rnc.ui.opened_store import cached_until_store_changes

_BETWEEN = 10
"""Number of epochs for which a number is drawn, in addition to the first and the last."""


@cached_until_store_changes
def evidence_of(run_ids: tuple[str, ...], epoch: int) -> pd.DataFrame:
    """Return the evidence on runs, each at its last measured epoch not after `epoch`; the query is its attribute `sql`."""
    reader = opened_store.reader()
    with reader.kept_open():
        return reader.metrics.evidence(list(run_ids), list(USED), epoch, between=_BETWEEN)
