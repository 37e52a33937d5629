"""The tools that choose, distribute and judge tests: quick tests by file and room, units of the schedule, scores of mutants."""

from pathlib import Path

import pytest

from tests import coverage_by_room, mutation, quick
from tests.architecture import ROOT
from tests.scheduling import shares_fixtures, unit


@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("rnc/attacks/pgd.py", ["tests/rnc/attacks/test_pgd.py"]),  # of its name
        ("rnc/ui/selection.py", ["tests/pages/test_pages.py"]),  # named in its docstring
        ("tests/rnc/attacks/test_pgd.py", ["tests/rnc/attacks/test_pgd.py"]),
        ("tests/oracles/collapse_oracle.py", ["tests/oracles"]),
        ("README.md", []),
        ("rnc/no_such_file.py", []),
    ],
)
def test_a_file_has_its_tests(file: str, tests: list[str]) -> None:
    assert sorted(map(str, quick.tests_of_file(Path(file)))) == tests


def test_a_room_has_the_tests_of_its_folder_and_those_that_its_modules_name() -> None:
    found = quick.without_repeats(quick.tests_of_room(Path("rnc/claims")))
    assert found == ["tests/rnc/test_claims.py"]
    of_store = quick.without_repeats(quick.tests_of_room(Path("rnc/store")))
    assert "tests/rnc/store" in of_store and not any(
        test.startswith(("tests/faults", "tests/security")) for test in of_store
    )
    of_file = quick.tests_of_room(Path("rnc/store/damaged_tables.py"))
    assert of_file == quick.tests_of_file(Path("rnc/store/damaged_tables.py")) != set()
    assert all((ROOT / test).exists() for test in quick.tests_of_room(Path("rnc/ui")))


def test_a_room_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture) -> None:
    assert quick.main(["rnc/stores"]) == 2
    assert "no room rnc/stores" in capsys.readouterr().err


def test_tests_that_share_a_fixture_of_their_module_are_one_unit() -> None:
    assert shares_fixtures("tests/train/test_kill.py") and not shares_fixtures("tests/rnc/test_class_mean_geometry.py")
    assert (
        unit("tests/train/test_kill.py::test_a[1]")
        == unit("tests/train/test_kill.py::test_b")
        == "tests/train/test_kill.py"
    )
    assert (
        unit("tests/rnc/test_class_mean_geometry.py::test_a[x@y]")
        == "tests/rnc/test_class_mean_geometry.py::test_a[x@y]"
    )


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("h = x.to(means.device)", "h = x.to(None)", True),
        ("n = torch.zeros(2, dtype=torch.int64, device=h.device)", "n = torch.zeros(2, dtype=torch.int64, )", True),
        (
            "n = torch.zeros(2, dtype=torch.int64, device=h.device)",
            "n = torch.zeros(2, dtype=None, device=h.device)",
            False,
        ),
        ("y = labels.to(z.device, torch.int64)", "y = labels.to(torch.int64)", True),
        ("y = labels.to(z.device, torch.int64)", "y = labels.to(z.device, None)", False),
    ],
)
def test_a_change_of_the_device_alone_is_recognised(before: str, after: str, same: bool) -> None:
    assert (mutation._without_device(before) == mutation._without_device(after)) is same


def test_the_score_counts_what_was_tried() -> None:
    """Killed, timed out and crashed are seen, survived and without tests are not; the rest does not count."""
    codes = {f"rnc.a.x_f__mutmut_{n}": code for n, code in enumerate([1, 1, 24, -11, 0, 33, None, 34, 0])}
    row = mutation.report(codes, {"rnc.a.x_f__mutmut_8"}).splitlines()[2]
    assert row.startswith("| all | 6 | 4 | 1 | 1 | 66.7%")
    low, high = mutation.wilson(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)  # (Newcombe 1998, method 3)


def test_a_mutation_run_that_tried_nothing_is_an_error_and_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutation, "_copy", lambda _room: tmp_path)
    monkeypatch.setattr(mutation, "_mutmut", lambda *_arguments: None)
    monkeypatch.setattr("sys.argv", ["mutation", "rnc/metrics", "--sample", "5"])
    with pytest.raises(SystemExit, match="no mutant was tried"):
        mutation.main()


def test_the_tests_that_mutation_testing_leaves_out_are_there() -> None:
    """A renamed test would be run for every mutant, unnoticed."""
    for room, left_out in mutation.LEFT_OUT.items():
        for file, _colons, name in (test.partition("::") for test in left_out):
            assert any(file.startswith(selected) for selected in mutation.ROOMS[room])
            assert f"def {name}(" in (ROOT / file).read_text() or not name
    assert all((ROOT / test).exists() for tests in mutation.ROOMS.values() for test in tests)


def test_coverage_is_summed_by_room() -> None:
    summary = {
        "covered_lines": 3,
        "num_statements": 4,
        "covered_branches": 1,
        "num_branches": 2,
        "percent_covered": 66.6,
    }
    empty = dict.fromkeys(summary, 0)
    files = {
        "rnc/store/a.py": summary,
        "rnc/store/queries/b.py": summary,
        "rnc/vocabulary.py": empty,
        "train/c.py": summary,
    }
    table = coverage_by_room.table({"files": {name: {"summary": file} for name, file in files.items()}}).splitlines()
    assert table[2:] == [
        "| rnc | 0 | 0.0% | 0 | 0.0% |",
        "| rnc/store | 8 | 75.0% | 4 | 50.0% |",
        "| train | 4 | 75.0% | 2 | 50.0% |",
        "| all | 12 | 75.0% | 6 | 50.0% |",
    ]
