"""`python -m rnc.store [STORE] [--upgrade] [--compact]`: list the runs of a store; upgrade or compact it on request.

`--upgrade` brings an older store to this program's schema and first copies it (`rnc-v2-2026-11-25.duckdb` beside it).
`--compact` writes the file again without the space that deleted runs have left.
The exit code is 1 if nothing is measured yet, 2 on errors.

Tested by tests/rnc/store/test_compact.py.
"""

from rnc.command_output import fail, print_escaped, run_command
from rnc.store.addresses import store_path
from rnc.store.compact import compact
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter


def main(arguments: list[str]) -> int:
    """Print one line per run."""
    named = [argument for argument in arguments if argument not in ("--upgrade", "--compact")]
    try:
        path = store_path(named[0] if named else None)
        reader = StoreReader(path)
        if "--upgrade" in arguments and path.is_file():
            StoreWriter(path).prepare()
        if "--compact" in arguments:
            before, after = compact(path)
            print_escaped(f"{path}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB after")
        runs = reader.runs.all()
        measured = set(reader.metrics.measured_epochs(list(runs["run_id"]))["run_id"])
    except StoreError as error:
        return fail(error, 2)
    for run in runs.itertuples():
        print_escaped(f"{run.run_id}  {run.state}  epoch {run.epochs_done} of {run.epochs}")
    if not measured:
        print_escaped(f"{path}: nothing measured yet")
    return 0 if measured else 1


if __name__ == "__main__":
    run_command(main)
