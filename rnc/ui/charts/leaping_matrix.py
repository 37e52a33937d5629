"""Matrix of leaps: true class against predicted class."""

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import class_axis, class_rows, names_height

_HEIGHT = 470
_MOST_CLASSES = 60
"""Number of classes above which empty pairs are not drawn: so many rectangles leave gaps and are slow in a browser."""
_LEAST_CELL = 9  # square pixels; a cell of a thousand classes would be less than a pixel wide
_NONE = "#440154"  # the colour of a share of 0


def leaping_matrix(frame: pd.DataFrame, classes: list[str], title: str) -> alt.Chart:
    """Draw counts by (true_class, predicted_class) as shares of the true class; the diagonal holds unchanged predictions.

    `frame` has class names in both columns, count and angle (rad to the clean mean of the predicted class).
    """
    few = len(classes) <= _MOST_CLASSES
    if few:
        every_pair = pd.MultiIndex.from_product([classes, classes], names=["true_class", "predicted_class"])
        frame = (
            frame.set_index(["true_class", "predicted_class"]).reindex(every_pair).reset_index().fillna({"count": 0})
        )
    frame = frame.assign(share=frame["count"] / frame.groupby("true_class")["count"].transform("sum"))
    domain = alt.Scale(domain=classes)
    across = alt.X("predicted_class:N", sort=classes, scale=domain, title="decided as", axis=class_axis(classes))
    down = alt.Y("true_class:N", sort=classes, scale=domain, title="true class", axis=class_rows(classes))
    shades = alt.Color(
        "share:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(format="%", title="share of the true class", orient="bottom"),
    )
    told = [
        "true_class:N",
        "predicted_class:N",
        "count:Q",
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    chart = alt.Chart(frame)
    return (
        (chart.mark_rect() if few else chart.mark_square(size=_LEAST_CELL, opacity=1))
        .encode(x=across, y=down, color=shades, tooltip=told)
        .properties(
            height=_HEIGHT + names_height(classes),
            title=alt.TitleParams(title, anchor="start", fontSize=14),
            view=alt.ViewBackground(fill=_NONE),
        )
    )
