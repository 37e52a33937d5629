"""The count of stays and returns: its rule on small sources, and the journeys of this checkout and of the commit before."""

import subprocess
from pathlib import Path

import pytest

from tests.journeys import Walk, count
from tests.source_names import Code

ROOT = Path(__file__).resolve().parents[1]
OLD = "73425d4"
"""The commit whose journeys a review counted by hand."""
LAB, BATCH = "a request to the lab and back", "a batch becomes rows"


def walk(folder: Path, **sources: str) -> list[str]:
    """Return the files of the stays of `value` in `start.begin`."""
    (folder / "rnc").mkdir()
    (folder / "app.py").touch()
    for name, source in sources.items():
        (folder / f"rnc/{name}.py").write_text(source)
    return [module.removeprefix("rnc.") for module, _ in Walk(Code(folder), "value", "rnc.start:begin").stays]


OTHER = "def work(x):\n    return x\n\n\ndef again(x):\n    return x\n"


@pytest.mark.parametrize(
    ("body", "stays"),
    [
        ("    return work(value)", "start other"),
        ("    work(value)\n    return 1", "start other"),
        ("    work(value)\n    return value", "start other start"),
        ("    work(value)\n    again(value.part)\n    return 1", "start other start other"),
        ("    work(value)\n    work(value)\n    return 1", "start other start"),
        ("    part = replace(value.part)\n    work(part)", "start other"),
        ("    seen = work(value)\n    again(seen)", "start other"),
        ("    work(1)\n    return value", "start"),
        ("    return TABLE[type(value)](value)", "start other start other"),
        ("    return list(map(lambda x: work(value), []))", "start other"),
        ("    def nested():\n        return work(value)\n    return nested", "start other"),
    ],
)
def test_a_call_with_the_value_is_a_stay_and_its_next_use_a_return(tmp_path: Path, body: str, stays: str) -> None:
    start = (
        f'from rnc.other import again, work\n\nTABLE = {{"one": work, "two": again}}\n\n\ndef begin(value):\n{body}\n'
    )
    assert walk(tmp_path, start=start, other=OTHER) == stays.split()


@pytest.mark.parametrize(
    ("call", "stays"),
    [
        ("Holder(value).read()", "start holder other"),
        ("Holder(value).count()", "start"),  # neither the dataclass's constructor nor this method looks at the value
        ("take(Holder(value))", "start holder other"),
        ("Base().run(value)", "start base start derived"),
    ],
)
def test_the_value_is_followed_through_objects_and_overridden_methods(tmp_path: Path, call: str, stays: str) -> None:
    start = f"from rnc.holder import Holder, take\nfrom rnc.base import Base\n\n\ndef begin(value):\n    {call}\n"
    holder = (
        "from dataclasses import dataclass\nfrom rnc.other import work\n\n\n@dataclass\nclass Holder:\n    kept: int\n\n"
        "    def read(self):\n        return work(self.kept)\n\n    def count(self):\n        return 1\n\n\n"
        "def take(holder: Holder):\n    return holder.read()\n"
    )
    base = "class Base:\n    def run(self, x):\n        return x\n"
    derived = "from rnc.base import Base\n\n\nclass Derived(Base):\n    def run(self, x):\n        return x\n"
    assert walk(tmp_path, start=start, holder=holder, other=OTHER, base=base, derived=derived) == stays.split()


def size(stays: list[tuple[str, list[str]]]) -> tuple[int, int]:
    """Return the numbers of stays and returns."""
    return len(stays), len(stays) - len({module for module, _ in stays})


def test_the_labs_request_does_not_travel_further_than_it_does() -> None:
    """A change that makes it longer needs a reason; one that makes it shorter may lower these numbers."""
    stays, returns = size(count(ROOT)[LAB])
    assert stays <= 33 and returns <= 14


def test_the_commit_that_was_counted_by_hand(tmp_path: Path) -> None:
    """A review counted 57 stays and 38 returns in the lab, and 19 stays in 10 files from a batch to its rows."""
    source = subprocess.run(
        ["git", "-C", str(ROOT), "archive", OLD, "app.py", "pages", "rnc", "train"], capture_output=True
    )
    if source.returncode:
        pytest.skip(f"the history does not reach {OLD}")
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=source.stdout, check=True)
    journeys = count(tmp_path)
    assert size(journeys[LAB]) == (67, 44) and size(journeys[BATCH]) == (24, 14)
    assert len({module for module, _ in journeys[BATCH]}) == 10
    stays, returns = size(count(ROOT)[LAB])
    assert stays <= 67 / 2 and returns <= 44 / 2  # both are halved
