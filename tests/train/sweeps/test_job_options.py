"""Tests of the options for a scheduler: a value that could become another line or option, or run a command, is refused."""

from typing import Any

import pytest
from submitit.slurm.slurm import _get_default_parameters

from train.sweeps.job_options import _NAMES, JobOptions, job_options

USUAL: dict[str, Any] = {
    "pack": 0, "at_a_time": 0, "ranks": 1, "on_gpus": False, "time_limit": None, "slurm": {}, "flags": [],
}  # fmt: skip


def slurm(**values: Any) -> JobOptions:
    return job_options(USUAL | {"slurm": values})


def test_what_people_tell_a_scheduler_is_passed_on() -> None:
    given = {
        "partition": "gpu,big", "mem": "32GB", "gres": "gpu:a100:2", "account": "x-y_z", "cpus_per_task": "8",
        "constraint": "[rack1|rack2]&a100", "nodelist": "node[1-4]", "dependency": "afterok:12", "mail_user": "a.b+c@d.org",
    }  # fmt: skip
    assert slurm(**given).for_sbatch() == given | {"cpus_per_task": 8}
    assert set(_NAMES) <= set(_get_default_parameters()), "names that submitit knows"


@pytest.mark.parametrize(
    "value",
    [
        "gpu\n#SBATCH --wrap='touch owned'", "gpu\r", "gpu x", "", "-x", "--wrap=x", "a\0b", "a\x1b[0m", "$(id)", "`id`",
        "a;b", "a'b", 'a"b', "a\\b", "a>b", "ä", "\uff0da", "x" * 201, "9" * 13, 5, None, ["a"],
    ],
)  # fmt: skip
def test_what_could_become_another_line_or_option_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="--slurm partition cannot be") as refused:
        slurm(partition=value)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "name", ["setup", "teardown", "srun_args", "additional_parameters", "use_srun", "job_name", "a\nb"]
)
def test_what_runs_commands_is_no_parameter(name: str) -> None:
    with pytest.raises(ValueError, match="--slurm does not accept") as refused:
        slurm(**{name: "x"})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "changed",
    [
        {"pack": -1}, {"pack": 10**9}, {"at_a_time": 1.5}, {"ranks": 0}, {"ranks": True}, {"time_limit": float("inf")},
        {"time_limit": -1.0},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        job_options(USUAL | changed)


def test_a_file_that_does_not_say_them_is_told_of() -> None:
    with pytest.raises(ValueError, match="has no pack, at_a_time"):
        job_options({})
