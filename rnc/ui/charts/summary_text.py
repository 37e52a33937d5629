"""What a chart shows, in words (Markdown), for those who read the answer and those who cannot see the chart."""

import pandas as pd

from rnc.ui.markdown import Markdown, plain


def told_turns(angles: pd.DataFrame, run: str, shown: str, off: dict[str, float]) -> Markdown:
    """Which class mean of a run a condition turns most and least, and what that does to the simplex.

    `angles` has class and degrees (to the clean mean), `off` the mean |cos + 1/(C−1)| by condition. Says nothing
    of what is not measured.
    """
    said = []
    if len(angles):
        ordered = angles.sort_values("degrees")
        least, most = ordered.iloc[0], ordered.iloc[-1]
        said.append(
            f"**{plain(shown)}** turns class **{plain(most['class'])}** of {plain(run)} most, by "
            f"**{most['degrees']:.1f}°**, and class {plain(least['class'])} least, by {least['degrees']:.1f}°; the mean over "
            f"classes is {angles['degrees'].mean():.1f}°."
        )
    if off:
        told = ", ".join(f"{value:.3f} under {plain(name)}" for name, value in off.items())
        said.append(f"The cosines of its class means are off a simplex's by {told}, in the mean.")
    return " ".join(said)
