"""A run in words: what it is, where it came from, and the command that makes it again."""

import json
import shlex
from typing import Any

import pandas as pd


def train_command(config: dict[str, Any]) -> str:
    """The command that trains a run with this config (fields as stored), whatever the defaults of the day are."""
    parts = ["python", "-m", "train.run"]
    for name, value in config.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            parts += [f"--{flag}", *map(str, value)]
        elif value is not None:
            parts += [f"--{flag}", str(value)]
    return shlex.join(parts)


def run_card(run: pd.Series) -> str:
    """Markdown of one row of table `run`."""
    config, versions = json.loads(run["config"]), json.loads(run["versions"])
    facts = {
        "objective": config["objective"],
        "seed": config["seed"],
        "epochs": f"{run['epochs_done']} of {config['epochs']}",
        "finished (UTC)": f"{run['finished_at']:%Y-%m-%d %H:%M}",
        "wall time": f"{run['wall_seconds'] / 60:.0f} min",
        "device": f"{run['device']}, {run['threads']} threads, {run['execution']}",
        "commit": run["git_commit"],
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "data": f"`{run['data']}`",
    }
    rows = [f"| {name} | {fact} |" for name, fact in facts.items()]
    again = ["Trained by (`--data-root` names the folder of images where it is not the usual one):", "```"]
    return "\n".join(
        [f"# {run['run_id']}", "", "| | |", "|---|---|", *rows, "", *again, train_command(config), "```", ""]
    )
