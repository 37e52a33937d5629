"""Add attack paths to finished runs: `python -m train.attack_paths RUN … --store STORE`.

New runs keep them by themselves. For an older run, the attacks are repeated on its sampled images, at the epochs whose network is
stored, so that the film moves its samples along the attack's path and not on straight lines.

Tested by tests/rnc/probe/test_attack_paths_of_finished_runs.py.
"""

from rnc.interrupt_while_loading import end_at_once_on_ctrl_c

if __name__ == "__main__":
    end_at_once_on_ctrl_c()

import argparse
from pathlib import Path

from rnc.command_output import fail, print_escaped, run_command
from rnc.datasets import DatasetError
from rnc.device_and_threads import pick_device
from rnc.models.weights import CheckpointError
from rnc.probe.attack_paths_of_finished_runs import PathsNotAddedError, add_attack_paths
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError


def main(arguments: list[str]) -> int:
    """Add the paths of every named run, and print what was added; return 1 if a run was refused."""
    parser = argparse.ArgumentParser("python -m train.attack_paths", description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's id, as python -m rnc.store lists it")
    parser.add_argument("--store", type=Path, default=None, help="the store (default: RNC_STORE, or data/rnc.duckdb)")
    parser.add_argument("--data-root", type=Path, default=None, help="the folder of the images (default: RNC_DATA)")
    given = parser.parse_args(arguments)
    failed = 0
    for run_id in given.runs:
        try:
            added = add_attack_paths(given.store or store_path(), run_id, given.data_root, pick_device())
        except (PathsNotAddedError, StoreError, DatasetError, CheckpointError, ValueError) as error:
            failed = fail(f"no attack path was added to {run_id}: {error}", 1)
            continue
        for path in added:
            where = f"{run_id}, epoch {path.epoch}, {path.split}, {path.condition}"
            print_escaped(f"{where}: added; {path.agreement:.1%} of the decisions are the stored ones")
    return failed


if __name__ == "__main__":
    run_command(main)
