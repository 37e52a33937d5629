"""Summaries of charts as text (Markdown), for readers who want the answer or cannot see the chart."""

import pandas as pd

from rnc.ui.markdown import Markdown, escape_markdown


def told_turns(angles: pd.DataFrame, run: str, shown: str, off: dict[str, float]) -> Markdown:
    """Describe which class means of a run a condition rotates most and least, and the effect on the simplex.

    `angles` has class and degrees (to the clean mean); `off` has the mean |cos + 1/(C−1)| by condition. Anything that was not
    measured is left out.
    """
    said = []
    if len(angles):
        ordered = angles.sort_values("degrees")
        least, most = ordered.iloc[0], ordered.iloc[-1]
        said.append(
            f"**{escape_markdown(shown)}** turns class **{escape_markdown(most['class'])}** of {escape_markdown(run)} most, by "
            f"**{most['degrees']:.1f}°**, and class {escape_markdown(least['class'])} least, by "
            f"{least['degrees']:.1f}°; the mean over "
            f"classes is {angles['degrees'].mean():.1f}°."
        )
    if off:
        told = ", ".join(f"{value:.3f} under {escape_markdown(name)}" for name, value in off.items())
        said.append(f"The cosines of its class means are off a simplex's by {told}, in the mean.")
    return " ".join(said)
