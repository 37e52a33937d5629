"""Exported tables say what was measured, and the names of files say it too."""

import pandas as pd
import pytest

from rnc.ui.charts.exported_table import file_name, with_conditions
from rnc.ui.charts.picture_files import FileKind

PGD = "pgd-linf-8_255-10"
ROWS = pd.DataFrame({"shown": ["clean", "perturbed"], "value": [0.1, 0.2]})
ABOUT = {"run_id": "cifar10-st-s1", "split": "test", "epoch": 60}


def none_known(_runs: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"run_id": [], "shown": [], "condition": []}, dtype=str)


def test_every_field_of_a_condition_is_a_column() -> None:
    table = with_conditions(ROWS.assign(condition=["clean", PGD]), ABOUT, none_known)
    assert list(table.columns[:3]) == ["run_id", "split", "epoch"] and set(table["split"]) == {"test"}
    clean, attack = (row for _index, row in table.iterrows())
    assert attack["condition_epsilon"] == pytest.approx(8 / 255) and attack["condition_norm"] == "linf"
    assert (attack["condition_kind"], attack["condition_steps"], attack["condition_restarts"]) == ("pgd", 10, 1)
    assert clean["condition_kind"] == "clean" and pd.isna(clean["condition_epsilon"])


def test_a_condition_is_looked_up_by_its_part() -> None:
    def known(runs: list[str]) -> pd.DataFrame:
        assert runs == ["cifar10-st-s1"]
        return pd.DataFrame(
            {"run_id": runs * 2, "shown": ["clean", "perturbed"], "condition": ["clean", PGD], "more": 1}
        )

    table = with_conditions(ROWS.assign(shown=ROWS["shown"].astype("category")), ABOUT, known)
    assert table["condition"].tolist() == ["clean", PGD] and table["value"].tolist() == [0.1, 0.2]


def test_the_clean_rows_of_an_attack_are_clean() -> None:
    table = with_conditions(ROWS, ABOUT | {"condition": PGD}, none_known)
    assert table["condition"].tolist() == ["clean", PGD]


def test_what_a_table_says_itself_stays_and_an_unknown_condition_is_kept() -> None:
    table = with_conditions(ROWS.assign(condition="of-the-future", split="train"), ABOUT, none_known)
    assert set(table["split"]) == {"train"} and set(table["condition"]) == {"of-the-future"}
    assert table["condition_kind"].isna().all()


def test_a_table_without_conditions_has_its_rows() -> None:
    table = with_conditions(pd.DataFrame({"epoch": [1]}), {"split": "train"}, none_known)
    assert table.to_dict("records") == [{"split": "train", "epoch": 1}]


def test_files_are_named_by_what_they_hold() -> None:
    train, test = (
        file_name("NC3 · self-duality over epochs", {"split": split}, FileKind.PDF) for split in ("train", "test")
    )
    assert (train, test) == ("nc3-self-duality-over-epochs-train.pdf", "nc3-self-duality-over-epochs-test.pdf")
    single = file_name("leaping matrix (2)", ABOUT | {"condition": PGD}, FileKind.CSV)
    assert single == f"leaping-matrix-2-test-{PGD}-cifar10-st-s1-epoch60.csv"
    hostile = file_name("a" * 300, {"split": "../x/y", "run_id": None}, FileKind.SVG)
    assert len(hostile) < 220 and "/" not in hostile
