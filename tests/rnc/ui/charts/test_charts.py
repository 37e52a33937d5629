"""Every chart is a valid Vega-Lite spec that holds exactly the rows it was given, and empty frames are no error."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert as vlc
from PIL import Image

from rnc.ui.charts import claims
from rnc.ui.charts.averages_and_smoothing import over_seeds
from rnc.ui.charts.axes import stages_in_order
from rnc.ui.charts.claims import course_panel
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.curves import Curves, layer_panel
from rnc.ui.charts.geometry import class_mean_spectrum, class_norms, clean_to_perturbed_angle_bars, cosine_heatmap
from rnc.ui.charts.images import image_strip, small_file, strip_of_amplified_perturbations
from rnc.ui.charts.leaping import leaping_matrix
from rnc.ui.charts.palette import CLASSES, RUN_COLOURS, class_scale, dash_scale, run_scale
from rnc.ui.charts.projection import BRUSHED, PICKED_SAMPLE, PlaneExtras, feature_plane
from rnc.vocabulary import METRIC_INFO, Metric, Role
from tests.rnc.ui.charts import coloured, spec_of

NAMES = ["zero", "one", "two"]
Rows = list[dict[str, Any]]


def data_of(spec: dict[str, Any], *columns: str) -> Rows:
    """The rows of the data set that has these columns."""
    (found,) = [rows for rows in spec["datasets"].values() if rows and set(columns) <= set(rows[0])]
    return found


def same_rows(found: Rows, frame: pd.DataFrame) -> None:
    columns = list(frame.columns)
    assert [{c: row[c] for c in columns} for row in found] == frame.to_dict("records")
    assert all(set(row) == set(columns) for row in found)


def marks(spec: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in spec.get("layer", [spec])]


CURVES = pd.DataFrame(
    {
        "run": ["st", "st", "at", "at"],
        "shown": ["clean", "perturbed", "clean", "clean"],
        "condition": ["clean", "pgd", "clean", "clean"],
        "epoch": [0, 60, 0, 30],
        "value": [1.5, 0.25, 0.0, -2.0],
    }
)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("log", [True, False])
def test_curves(metric: Metric, log: bool) -> None:
    spec = spec_of(Curves(coloured("st", "at"), ["perturbed", "clean"], 30, log).panel(CURVES, metric))
    logarithmic = log and METRIC_INFO[metric].log_axis
    same_rows(data_of(spec, "value"), CURVES[CURVES["value"] > 0] if logarithmic else CURVES)
    lines = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert lines["encoding"]["y"]["scale"]["type"] == ("log" if logarithmic else "linear")
    assert lines["encoding"]["color"]["scale"]["domain"] == ["st", "at"]
    assert lines["encoding"]["strokeDash"]["scale"] == dash_scale(["perturbed", "clean"]).to_dict()
    assert spec["title"]["text"] == METRIC_INFO[metric].label and spec["title"]["subtitle"]
    assert sorted(marks(spec)) == ["line", "rule"]
    ((rule,),) = [rows for rows in spec["datasets"].values() if set(rows[0]) == {"epoch"}]
    assert rule["epoch"] == 30
    ticks = lines["encoding"]["x"]["axis"]["values"]
    assert ticks[0] == 0 and ticks[-1] == 60 and ticks == sorted(set(ticks))


def test_a_later_epoch_moves_the_last_tick_of_a_picture_that_is_built_once() -> None:
    frame = pd.DataFrame({"run": ["at"] * 3, "epoch": [0, 1, 30], "value": [3.0, 2.0, 1.0]})
    ticks, built = [], []
    for last in (30, 31):
        panel = course_panel(frame.assign(epoch=[0, 1, last]), "a number of this test", 1.0, coloured("at"))
        lines = panel.specification["layer"][0]
        ticks.append(lines["encoding"]["x"]["axis"]["values"])
        built.append(claims._course_specification.cache_info().misses)  # type: ignore[attr-defined]
    assert ticks == [[0, 1, 3, 10, 30], [0, 1, 3, 10, 31]] and built[0] == built[1]


def layers_of(spec: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]


def test_linear_epochs() -> None:
    spec = spec_of(
        Curves(coloured("st", "at"), ["clean", "perturbed"], 30, log_epochs=False).panel(CURVES, Metric.ACCURACY)
    )
    assert layers_of(spec, "line")[0]["encoding"]["x"]["scale"]["type"] == "linear"


def test_milestones_are_marked_once_each() -> None:
    marks = pd.DataFrame(
        [("st", "drop", 15), ("at", "drop", 15), ("at", "drop", 22), ("st", "terminal", 9)],
        columns=["run", "milestone", "epoch"],
    )
    spec = spec_of(
        Curves(coloured("st", "at"), ["clean", "perturbed"], 30, milestones=marks).panel(CURVES, Metric.ACCURACY)
    )
    (starts,) = layers_of(spec, "point")
    assert spec["datasets"][starts["data"]["name"]] == [{"run": "st", "epoch": 9}]
    drops = [spec["datasets"][rule["data"]["name"]] for rule in layers_of(spec, "rule")]
    assert drops == [[{"epoch": 30}], [{"epoch": 15}, {"epoch": 22}]]


def test_a_band_over_seeds_with_the_single_ones_behind() -> None:
    single = pd.concat([CURVES.assign(run_id="a"), CURVES.assign(run_id="b", value=CURVES["value"] + 2)])
    spec = spec_of(
        Curves(coloured("st", "at"), ["clean", "perturbed"], 30, log=True).panel(over_seeds(single), Metric.NC1, single)
    )
    (band,) = layers_of(spec, "area")
    rows = spec["datasets"][band["data"]["name"]]
    assert all(row["low"] > 0 and row["seeds"] == 2 for row in rows)
    behind, front = layers_of(spec, "line")
    assert behind["encoding"]["detail"]["field"] == "run_id" and "detail" not in front["encoding"]
    assert band["encoding"]["strokeDash"] == front["encoding"]["strokeDash"], "the legend hides a condition by it"
    assert band["encoding"]["detail"]["field"] == "shown", "or one band goes to and fro between the conditions"
    assert len(spec["datasets"][behind["data"]["name"]]) == (single["value"] > 0).sum()


def test_a_band_that_would_reach_zero_ends_at_the_lowest_seed_on_a_log_axis() -> None:
    wide = pd.concat([CURVES.assign(run_id="a", value=0.01), CURVES.assign(run_id="b", value=1.0)])
    averaged = over_seeds(wide)
    assert (averaged["low"] < 0).all()
    spec = spec_of(Curves(coloured("st", "at"), ["clean", "perturbed"], 30).panel(averaged, Metric.NC1, wide))
    (band,) = layers_of(spec, "area")
    rows = spec["datasets"][band["data"]["name"]]
    assert len(rows) == len(averaged) and {row["low"] for row in rows} == {0.01}


LAYERS = pd.DataFrame(
    {
        "run": ["st"] * 3,
        "shown": ["clean", "perturbed", "clean"],
        "layer": ["zz-early", "zz-early", "features"],
        "depth": [1, 1, 2],
        "epoch": [60, 60, 60],
        "value": [1.5, 0.25, 0.0],
    }
)


@pytest.mark.parametrize("metric", [Metric.NC1, Metric.NCC_ACCURACY])
@pytest.mark.parametrize("log", [True, False])
def test_layers_stand_in_the_order_of_depth(metric: Metric, log: bool) -> None:
    spec = spec_of(layer_panel(LAYERS, metric, coloured("st"), ["clean", "perturbed"], log=log))
    logarithmic = log and METRIC_INFO[metric].log_axis
    same_rows(data_of(spec, "value"), LAYERS[LAYERS["value"] > 0] if logarithmic else LAYERS)
    assert spec["encoding"]["x"]["sort"] == ["zz-early", "features"]
    assert spec["encoding"]["order"]["field"] == "depth"
    assert spec["encoding"]["y"]["scale"]["type"] == ("log" if logarithmic else "linear")
    assert spec["encoding"]["strokeDash"]["scale"]["domain"] == ["clean", "perturbed"]
    assert spec["title"]["text"] == METRIC_INFO[metric].label


@pytest.mark.parametrize(
    ("networks", "order"),
    [
        ([["pixels", "a", "features"]], ["pixels", "a", "features"]),
        (
            [["pixels", "b", "features"], ["pixels", "a", "c", "d", "features"]],
            ["pixels", "b", "a", "c", "d", "features"],
        ),
        ([["pixels", "a"], ["pixels", "features"], ["a", "features"]], ["pixels", "a", "features"]),
        ([["a", "b", "features"], ["b", "a", "c", "features"]], ["a", "b", "c", "features"]),
        ([], []),
    ],
)
def test_stages_of_several_networks_stand_in_the_order_of_each(networks: list[list[str]], order: list[str]) -> None:
    """The last case but one has no such order."""
    assert stages_in_order(networks) == order


def test_the_features_are_the_last_stage_of_networks_of_different_depths() -> None:
    deep = pd.DataFrame({"run": "deep", "layer": ["pixels", "block 1", "block 2", "features"], "depth": range(4)})
    flat = pd.DataFrame({"run": "flat", "layer": ["pixels", "features"], "depth": range(2)})
    frame = pd.concat([flat, deep]).assign(shown="clean", epoch=60, value=0.5)
    spec = spec_of(layer_panel(frame, Metric.NC1, coloured("flat", "deep"), ["clean"], log=True))
    assert spec["encoding"]["x"]["sort"] == ["pixels", "block 1", "block 2", "features"]


def test_every_metric_has_words() -> None:
    assert set(METRIC_INFO) == set(Metric)
    assert len({info.label for info in METRIC_INFO.values()}) == len(Metric)
    assert all(info.label and info.meaning for info in METRIC_INFO.values())


def test_the_same_conditions_have_the_same_dash_on_every_page() -> None:
    few, more = dash_scale(["clean", "targeted"]).to_dict(), dash_scale([*Role][:5]).to_dict()
    dashes = dict(zip(more["domain"], more["range"], strict=True))
    assert few["range"] == [dashes["clean"], dashes["targeted"]]
    assert len({tuple(dash) for dash in dashes.values()}) == 5
    extra = dash_scale(["clean", "pgd-l2-0.5-10", "pgd-l2-1-10"]).to_dict()
    assert len({tuple(dash) for dash in extra["range"]}) == 3


def test_colours_of_classes_go_by_place_and_are_three_times_as_many_as_hues() -> None:
    names = [f"n{i}" for i in range(3 * len(CLASSES) + 1)]
    found = class_scale(names).to_dict()
    assert found["domain"] == names and found["range"][: len(CLASSES)] == CLASSES and found["range"][-1] == CLASSES[0]
    assert len(set(found["range"])) == 3 * len(CLASSES)
    assert found["range"][len(CLASSES)] == "#25415E"  # (68, 119, 170) nearer to black by 45 %


def test_a_run_has_the_colour_that_it_was_given() -> None:
    scale = run_scale({"at": "#E69F00", "st": "#0072B2"}).to_dict()
    assert (scale["domain"], scale["range"]) == (["at", "st"], ["#E69F00", "#0072B2"])
    assert len(RUN_COLOURS) == len(set(RUN_COLOURS.values())) == 24
    assert RUN_COLOURS["dark blue"] == "#003F62"  # (0, 114, 178) nearer to black by 45 %


@pytest.mark.parametrize("num_classes", [2, 3, 12, 13])
def test_cosines(num_classes: int) -> None:
    names = [f"class {i}" for i in range(num_classes)]
    cosines = np.random.default_rng(0).uniform(-1, 1, (num_classes, num_classes))
    np.fill_diagonal(cosines, 1.0)
    simplex = -1 / (num_classes - 1)
    spec = spec_of(cosine_heatmap(cosines, names, simplex, "clean"))
    rows = data_of(spec, "cosine")
    assert len(rows) == num_classes**2 and marks(spec) == ["rect", "text"][: 1 if num_classes > 12 else 2]
    for row in rows:
        i, j = names.index(row["class"]), names.index(row["other"])
        assert row["cosine"] == cosines[i, j]
        assert row["off simplex"] == pytest.approx(0.0 if i == j else cosines[i, j] - simplex)
    assert spec["title"]["text"] == "clean"


def test_cosines_of_a_zero_mean_are_left_blank() -> None:
    cosines = np.array([[1.0, np.nan], [np.nan, np.nan]])
    rows = data_of(spec_of(cosine_heatmap(cosines, NAMES[:2], -1.0, "t")), "cosine")
    assert [row["cosine"] for row in rows] == [1.0, None, None, None]


NORMS = pd.DataFrame({"class": NAMES, "shown": ["clean", "clean", "perturbed"], "value": [1.0, 2.0, 0.5]})
ANGLES = pd.DataFrame(
    {"class": NAMES, "run": ["st", "st", "at"], "degrees": [10.0, 20.0, 0.0], "radians": [0.1, 0.2, 0.0]}
)


def test_norms_and_angles() -> None:
    same_rows(data_of(spec_of(class_norms(NORMS, NAMES, "#0072B2")), "shown"), NORMS)
    spec = spec_of(clean_to_perturbed_angle_bars(ANGLES, NAMES, coloured("st", "at")))
    same_rows(data_of(spec, "degrees"), ANGLES)
    assert spec["encoding"]["x"]["sort"] == NAMES and spec["encoding"]["xOffset"]["sort"] == ["st", "at"]


LEAPS = pd.DataFrame(
    {
        "true_class": ["zero", "zero", "two"],
        "predicted_class": ["one", "zero", "one"],
        "count": [3, 1, 5],
        "angle": [0.1, 0.2, 0.3],
    }
)


def test_leaps_are_shares_of_the_true_class() -> None:
    rows = data_of(spec_of(leaping_matrix(LEAPS, NAMES, "leaps")), "share")
    assert len(rows) == 9
    found = {(row["true_class"], row["predicted_class"]): (row["count"], row["share"], row["angle"]) for row in rows}
    assert found["zero", "one"] == (3, 0.75, 0.1) and found["zero", "zero"] == (1, 0.25, 0.2)
    assert found["two", "one"] == (5, 1.0, 0.3) and found["two", "two"] == (0, 0.0, None)
    assert found["one", "two"] == (0, None, None), "a class without samples has no shares"


PLANE = pd.DataFrame(
    {
        "shown": ["clean", "clean", "perturbed", "perturbed"],
        "sample": [4, 9, 4, 9],
        "label": ["one", "two", "one", "two"],
        "predicted": ["one", "two", "zero", "two"],
        "x": [0.0, 1.0, 2.0, 3.0],
        "y": [0.5, 1.5, 2.5, 3.5],
    }
)


SCALE_BAR = ["rule", "text"]


def test_a_plane_holds_its_points() -> None:
    spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=False))
    same_rows(data_of(spec, "x"), PLANE)
    assert marks(spec) == ["point", *SCALE_BAR]
    encoding = spec["layer"][0]["encoding"]
    assert encoding["color"]["scale"]["domain"] == NAMES
    assert encoding["shape"]["scale"] == {"domain": ["clean", "perturbed"], "range": ["circle", "triangle-up"]}


def test_arrows_lead_from_clean_to_perturbed() -> None:
    frame = PLANE.sample(frac=1, random_state=1)
    spec = spec_of(feature_plane(frame, NAMES, "perturbed", arrows=True))
    arrows = sorted((r["sample"], r["x"], r["y"], r["x2"], r["y2"]) for r in data_of(spec, "x2"))
    assert arrows == [(4, 0.0, 0.5, 2.0, 2.5), (9, 1.0, 1.5, 3.0, 3.5)]
    assert marks(spec) == ["rule", "point", *SCALE_BAR]


def test_chosen_samples_stand_out_and_are_drawn_last() -> None:
    spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=True, chosen=[4, 77]))
    points, arrows = layers_of(spec, "point")[0], layers_of(spec, "rule")[0]
    rows = spec["datasets"][points["data"]["name"]]
    assert [(row["sample"], row["chosen"]) for row in rows] == [(9, False), (9, False), (4, True), (4, True)]
    for layer in (points, arrows):
        (strong,) = layer["encoding"]["opacity"]["condition"]
        assert strong["test"] == {"and": [{"param": "picked_class"}, "datum.chosen"]}
        assert strong["value"] > 3 * layer["encoding"]["opacity"]["value"]
    nowhere = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=False, chosen=[77]))
    same_rows(data_of(nowhere, "x"), PLANE)
    assert layers_of(nowhere, "point")[0]["encoding"]["opacity"]["condition"][0]["param"] == "picked_class"


def test_a_page_draws_chosen_samples_once_more_over_a_veil() -> None:
    """A browser keeps what it has drawn if the specification and the large data sets are as they were."""
    drawn = [
        feature_plane(PLANE, NAMES, "perturbed", arrows=True, brush=True, chosen=chosen).screen
        for chosen in ([], [4, 77], [4, 9])
    ]
    assert all(screen is not None for screen in drawn)
    without, one, both = (screen for screen in drawn if screen is not None)
    assert without.specification_text == one.specification_text == both.specification_text
    for name in ("points", "moves", "scale_bar"):
        assert without.streams[name] == one.streams[name] == both.streams[name]
    assert [len(screen.rows["veil"]) for screen in (without, one, both)] == [0, 1, 1]
    for kind, copies in (("points", 2), ("moves", 1)):
        chosen = [screen.rows[f"chosen_{kind}"] for screen in (without, one, both)]
        assert [list(rows["sample"]) for rows in chosen] == [[], [4] * copies, [4, 9] * copies]
        assert all(list(rows.columns) == list(without.rows[kind].columns) for rows in chosen)
    spec = spec_of(one)
    assert marks(spec) == ["rule", "point", "rect", "rule", "point", *SCALE_BAR], "the veil is below the chosen ones"
    below, above = layers_of(spec, "point")
    assert below["encoding"] == above["encoding"] and below["mark"] | {"aria": False} == above["mark"]


def test_the_mouse_goes_through_the_veil() -> None:
    """Points below it keep their tooltips and are clicked."""
    screen = feature_plane(PLANE, NAMES, "perturbed", arrows=True, brush=True, chosen=[4]).screen
    assert screen is not None
    (veil,) = vlc.vegalite_to_vega(spec_of(screen))["marks"][3:4]
    assert (veil["type"], veil["from"]["data"], veil["interactive"]) == ("rect", "veil", False)


def test_a_picture_of_a_map_has_no_veil() -> None:
    of_map, of_lab = (feature_plane(PLANE, NAMES, "perturbed", arrows=True, brush=b, chosen=[4]) for b in (True, False))
    assert of_lab.screen is None and "veil" not in of_map.rows
    for name, frame in of_lab.rows.items():
        pd.testing.assert_frame_equal(of_map.rows[name], frame)
    assert [layer["encoding"].get("opacity") for layer in of_map.specification["layer"]] == [
        layer["encoding"].get("opacity") for layer in of_lab.specification["layer"]
    ]


def test_a_brush_draws_a_box_and_shift_moves_the_plane() -> None:
    names = {}
    for brush in (False, True):
        spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=True, brush=brush))
        names[brush] = {parameter["name"]: parameter for parameter in spec["params"]}
    assert set(names[True]) - set(names[False]) == {BRUSHED}
    assert "!event.shiftKey" in names[True][BRUSHED]["select"]["on"]
    assert names[True][PICKED_SAMPLE]["select"]["on"] == "click[!event.shiftKey]"
    assert "on" not in names[False][PICKED_SAMPLE]["select"]
    assert "[event.shiftKey" in names[True]["moved"]["select"]["translate"] and names[True]["moved"]["bind"] == "scales"
    assert "shiftKey" not in names[False]["moved"]["select"]["translate"]


def test_the_wheel_and_a_finger_scroll_the_page_also_over_a_plane() -> None:
    for brush in (False, True):
        spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=True, brush=brush))
        named = {parameter["name"]: parameter for parameter in spec["params"]}
        assert named["moved"]["select"]["zoom"] == "wheel![event.ctrlKey || event.metaKey]"
        drags = [named["moved"]["select"]["translate"], *([named[BRUSHED]["select"]["on"]] if brush else [])]
        assert all("event.pointerType !== 'touch'" in drag for drag in drags)


def test_the_image_of_a_point_has_an_address_of_its_own() -> None:
    """No image is sent with the map; the tooltip names where the browser finds the one that it shows."""
    extras = PlaneExtras(image_address="sample-images/a_B-9/")
    spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=False, extras=extras))
    (points,) = layers_of(spec, "point")
    assert points["mark"]["tooltip"]["expr"].endswith(", image: 'sample-images/a_B-9/' + datum.sample}")
    same_rows(data_of(spec, "x"), PLANE)
    plain = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=False))
    assert "image" not in layers_of(plain, "point")[0]["mark"]["tooltip"]["expr"]


def test_an_address_cannot_end_the_expression_in_which_it_stands() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        feature_plane(PLANE, NAMES, "perturbed", arrows=False, extras=PlaneExtras(image_address="x' + alert(1) + '"))


def test_a_point_that_is_nowhere_is_not_drawn() -> None:
    lost = PLANE.assign(x=[0.0, np.nan, 2.0, np.inf])
    same_rows(data_of(spec_of(feature_plane(lost, NAMES, "perturbed", arrows=False)), "x"), PLANE.iloc[[0, 2]])


def test_marks_become_smaller_where_there_are_many() -> None:
    many = pd.concat([PLANE] * 1000, ignore_index=True)
    sizes = [
        layers_of(spec_of(feature_plane(frame, NAMES, "perturbed", arrows=False)), "point")[0]["mark"]["size"]
        for frame in (PLANE, many)
    ]
    assert sizes[0] == 42 and 5 < sizes[1] < 20


TRIANGLE = pd.DataFrame({"label": NAMES, "x": [-1.0, 1.0, 0.0], "y": [-0.5, -0.5, 1.0]})


def test_a_simplex_plane_has_its_triangle() -> None:
    spec = spec_of(feature_plane(PLANE, NAMES, "perturbed", arrows=True, extras=PlaneExtras(triangle=TRIANGLE)))
    assert marks(spec) == ["rule", "point", "line", "text", "text", *SCALE_BAR]
    (sides,) = layers_of(spec, "line")
    assert [row["label"] for row in spec["datasets"][sides["data"]["name"]]] == [*NAMES, NAMES[0]]


def test_a_spectrum_is_drawn_against_that_of_a_simplex() -> None:
    frame = pd.DataFrame(
        {"rank": [1, 2, 1, 2], "value": [1.2, 0.8, 1.0, 1.0], "shown": ["clean"] * 2 + ["perturbed"] * 2}
    )
    spec = spec_of(class_mean_spectrum(frame, "#0072B2"))
    assert marks(spec) == ["rule", "line", "point"]
    same_rows(data_of(spec, "rank"), frame)


def test_class_names_that_are_words_stand_aslant() -> None:
    many = [f"class {i}" for i in range(16)]
    for names, angle, overlap in ((["0", "1"], 0, "parity"), (["cat", "horse"], -40, False), (many, -90, "parity")):
        axis = spec_of(cosine_heatmap(np.eye(len(names)), names, -1.0, "t"))["layer"][0]["encoding"]["x"]["axis"]
        assert axis["labelAngle"] == angle and axis["labelOverlap"] == overlap


def test_the_diagonal_of_a_heat_map_is_set_against_one() -> None:
    rows = data_of(spec_of(cosine_heatmap(np.full((2, 2), 0.25), ["a", "b"], -1.0, "t")), "off simplex")
    assert [row["off simplex"] for row in rows] == [-0.75, 1.25, 1.25, -0.75]


def test_empty_frames_are_no_error() -> None:
    spec_of(Curves({}, [], 0).panel(CURVES[:0], Metric.NC1))
    spec_of(Curves(coloured("at"), ["clean"], 0).panel(CURVES[CURVES["value"] <= 0], Metric.NC1))
    spec_of(class_norms(NORMS[:0], NAMES, "#0072B2"))
    spec_of(clean_to_perturbed_angle_bars(ANGLES[:0], NAMES, {}))
    rows = data_of(spec_of(leaping_matrix(LEAPS[:0], NAMES, "leaps")), "share")
    assert len(rows) == 9 and {row["count"] for row in rows} == {0}
    for arrows in (True, False):
        spec_of(feature_plane(PLANE[:0], NAMES, "perturbed", arrows=arrows))
        spec_of(feature_plane(PLANE[:2], NAMES, "perturbed", arrows=arrows))


def test_the_frames_that_were_given_are_left_alone() -> None:
    frames = [frame.copy() for frame in (CURVES, NORMS, ANGLES, LEAPS, PLANE)]
    Curves(coloured("st"), ["clean", "perturbed"], 0).panel(CURVES, Metric.NC1)
    class_norms(NORMS, NAMES, "#0072B2")
    clean_to_perturbed_angle_bars(ANGLES, NAMES, coloured("st"))
    leaping_matrix(LEAPS, NAMES, "t")
    feature_plane(PLANE, NAMES, "perturbed", arrows=True)
    assert all(a.equals(b) for a, b in zip(frames, (CURVES, NORMS, ANGLES, LEAPS, PLANE), strict=True))


def test_the_legend_names_runs_and_conditions_safely() -> None:
    html = curve_legend(coloured("st <1>", "at"), ["clean", "perturbed"])
    assert "st &lt;1&gt;" in html and "<1>" not in html
    assert all(text in html for text in ("#0072B2", "#C68900", ">clean<", ">perturbed<"))
    assert curve_legend({}, [])


def test_the_legend_hides_what_has_the_colour_or_the_dashes_of_an_entry_without_a_tick() -> None:
    html = curve_legend({"st": "#0072B2", "st, seed 2": "#0072B2"}, ["clean", "perturbed"])
    assert html.count('value="#0072B2" checked') == 2, "runs of one colour are hidden together"
    (rule,) = [line for line in html.splitlines() if '[value="#0072B2"]:not(:checked)' in line and "marks" in line]
    assert '[stroke="#0072B2" i]' in rule and '[fill="#0072B2" i]' in rule and "mark-rule" in rule
    assert '[value="6,3"]:not(:checked)' in html and '[stroke-dasharray="6,3" i]' in html


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_strip_shows_its_pixels(channels: int) -> None:
    images = np.random.default_rng(0).uniform(size=(2, channels, 8, 8))
    strip = image_strip(images, cell=96)
    assert strip.shape == (96, 2 * (96 + 12), 4) and strip.dtype == np.uint8
    assert not strip[:, 96:108].any() and not strip[:, -12:].any(), "gaps are clear"
    for i in range(8):
        for j in range(8):
            pixel = strip[12 * i + 5, 108 + 12 * j + 5]
            assert pixel.tolist() == (images[1, :, i, j] * 255).round().astype(int).tolist() * (3 // channels) + [255]


def test_a_perturbation_is_grey_where_nothing_was_added() -> None:
    clean = np.full((1, 1, 4, 4), 0.5)
    perturbed = clean.copy()
    perturbed[0, 0, 0, :2] = 0.6, 0.4
    strip = strip_of_amplified_perturbations(clean, perturbed, 0.1)
    assert (strip[0, 0, 0], strip[0, 24, 0], strip[0, 48, 0]) == (255, 0, 128)
    assert set(strip_of_amplified_perturbations(clean, clean, 0.1)[:, :96, :3].ravel()) == {128}
    assert strip_of_amplified_perturbations(clean, clean + 0.001, 0.1)[0, 0, 0] < 150, (
        "what is tiny beside epsilon looks tiny"
    )


@pytest.mark.parametrize(("channels", "side", "expected"), [(1, 48, 8), (3, 48, 8), (3, 4, 4)])
def test_a_small_image_shows_what_it_is_of(channels: int, side: int, expected: int) -> None:
    blocks = np.random.default_rng(0).integers(256, size=(channels, 2, 2), dtype=np.uint8)
    image = blocks.repeat(4, axis=1).repeat(4, axis=2)
    content, media_type = small_file(image, side)
    assert media_type == ("image/png" if channels == 1 else "image/jpeg")
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert picture.size == (expected, expected)
    shown = np.asarray(picture).transpose(2, 0, 1)[:, :: expected // 2, :: expected // 2]
    np.testing.assert_allclose(shown, np.broadcast_to(blocks, (3, 2, 2)), atol=12 if side == 48 else 30)
