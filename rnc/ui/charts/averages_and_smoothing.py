"""Processing of curves before they are drawn: averages over seeds and smoothing. Input and output are frames."""

import pandas as pd

from rnc.vocabulary import METRIC_INFO, MORE_IS_BETTER

_LINE = ["run", "shown", "run_id", "condition"]


def smoothed(frame: pd.DataFrame, weight: float) -> pd.DataFrame:
    """Return each line's exponential moving average over its measured epochs, corrected for the bias at the start.

    `frame` has run (label), run_id, shown, condition, epoch and value; `weight` in [0, 1) is the weight of earlier epochs.
    """
    ordered = frame.sort_values("epoch")
    averaged = ordered.groupby(_LINE, sort=False)["value"].transform(lambda line: line.ewm(alpha=1 - weight).mean())
    return ordered.assign(value=averaged).loc[frame.index]


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Merge lines with one label: return their mean at each epoch, with `low` and `high` one standard deviation (unbiased) away.

    `seeds` is the number of seeds and `least` their lowest value. An epoch that was measured for only one seed has that seed's
    value and no band (NaN).
    """
    keys = ["run", "shown", "condition", "epoch"]
    spread = frame.groupby(keys, as_index=False, sort=False)["value"].agg(["mean", "std", "count", "min"])
    named = spread.rename(columns={"mean": "value", "count": "seeds", "min": "least"})
    named.attrs = frame.attrs
    return named.assign(low=named["value"] - named["std"], high=named["value"] + named["std"]).drop(columns="std")


def cursor_last_and_best_values(frame: pd.DataFrame, cursor: int) -> pd.DataFrame:
    """Return a row per (metric, run label, condition): mean and std over seeds at the cursor, the last and the best epoch.

    `frame` has metric, run, run_id, shown, condition, epoch and value. The row at the cursor is the last measured epoch not
    after it. The best epoch is chosen per seed, and `best epoch` is their mean. A seed whose value is NaN at an epoch is left
    out there.
    """
    ordered = frame.sort_values("epoch", ignore_index=True)
    line = ["metric", *_LINE]
    known = ordered.dropna(subset="value")
    sign = known["metric"].isin(MORE_IS_BETTER).map({True: -1, False: 1})
    best = known.loc[known.assign(value=sign * known["value"]).groupby(line, sort=False)["value"].idxmin()]
    parts = {
        "at cursor": ordered[ordered["epoch"] <= cursor].drop_duplicates(line, keep="last").set_index(line)["value"],
        "last": ordered.drop_duplicates(line, keep="last").set_index(line)["value"],
        "best": best.set_index(line)["value"],
        "best epoch": best.set_index(line)["epoch"],
    }
    lines = pd.DataFrame(parts).reset_index()
    over = lines.groupby(["metric", "run", "shown"])
    columns: dict[str, pd.Series] = {"seeds": over["run_id"].nunique()}
    for name in parts:
        columns[name] = over[name].mean()
        columns[f"{name} ±"] = over[name].std()
    table = pd.DataFrame(columns).reset_index().rename(columns={"shown": "condition"})
    order = {str(metric): place for place, metric in enumerate(METRIC_INFO)}
    table = table.sort_values("metric", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    return table.drop(columns="best epoch ±").dropna(axis="columns", how="all")
