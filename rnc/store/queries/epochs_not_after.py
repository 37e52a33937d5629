"""The rule of the epoch cursor: a run is shown at its last measured epoch not after the cursor.

`MetricQueries.layers` states the rule in SQL, since it reads the store in one pass; a test compares the two.

Tested by tests/rnc/store/test_reader_judged.py.
"""

import pandas as pd


def all_epochs_up_to_cursor(measured: pd.DataFrame, cursor: int) -> dict[str, list[int]]:
    """Return the epochs of each run in (run_id, epoch) `measured` up to the cursor, sorted; runs without any are left out.

    The last one is the epoch at which the run is shown.
    """
    until = measured[measured["epoch"] <= cursor].groupby("run_id")["epoch"]
    return {str(run_id): sorted(int(epoch) for epoch in epochs) for run_id, epochs in until}
