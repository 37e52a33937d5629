"""The table of line and branch coverage by room, from what `make coverage` recorded."""

import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import coverage


def room(path: Path) -> str:
    """Return the room of a file: `rnc/store` for `rnc/store/queries/runs.py`, `train` for `train/run.py`."""
    return "/".join(path.parts[:2]) if path.parts[0] == "rnc" and len(path.parts) > 2 else path.parts[0]


def table(report: dict) -> str:
    """Return the rooms with their statements, branches and the shares that were reached, from coverage's JSON report."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for name, file in report["files"].items():
        counts = {key: value for key, value in file["summary"].items() if isinstance(value, int)}
        for of in (room(Path(name)), "all"):
            rooms[of].update(counts)
    lines = ["| room | statements | lines reached | branches | branches reached |", "| --- | --- | --- | --- | --- |"]
    for name, counts in sorted(rooms.items(), key=lambda item: (item[0] == "all", item[0])):
        reached = counts["covered_lines"] / max(counts["num_statements"], 1)
        taken = counts["covered_branches"] / max(counts["num_branches"], 1)
        lines.append(
            f"| {name} | {counts['num_statements']} | {reached:.1%} | {counts['num_branches']} | {taken:.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    recorded = coverage.Coverage()
    recorded.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        recorded.json_report(outfile=str(file))
        print(table(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
