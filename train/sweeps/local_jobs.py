"""The processes of jobs on this machine, and the proof that they belong to a job before they are reported or signalled.

A job is a controller of submitit, a task under it, and the runs under that. All of them carry the job's own folder, as
their argument or in their initial environment. Runs are therefore found even if the job's controller was killed, and a
process number in a sweep's file that now belongs to another process, or to a kernel thread, is not taken for a job.
"""

import signal
from pathlib import Path

from rnc.processes import arguments, environment, identity, parent, processes_of_user, send_signal
from rnc.store.sweep_state import Job

_PROGRAMS = ("submitit.local._local", "submitit.core._submit")
_FOLDER, _JOB_ID = "SUBMITIT_FOLDER=", "SUBMITIT_LOCAL_JOB_ID="


def job_folder(sweep_folder: Path, job: Job) -> Path:
    """Return the folder with the logs and the input of a sweep's job."""
    return sweep_folder / "jobs" / job.folder if job.folder else sweep_folder / "jobs"


def processes_of(jobs: list[Job], sweep_folder: Path) -> list[tuple[Job, dict[int, str]]]:
    """Return the jobs that have living processes, with the number and the identity of each process."""
    wanted = {(str(job_folder(sweep_folder, job)), job.job_id): job for job in jobs}
    found: dict[tuple[str, str], dict[int, str]] = {key: {} for key in wanted}
    loading: dict[int, str] = {}
    for number in processes_of_user():
        proof = identity(number)  # read first: a signal is sent only if the identity is still the same
        command, began_with = arguments(number), environment(number)
        if not command:
            loading[number] = proof
        for key in _named_by(number, command, began_with):
            if key in found:
                found[key][number] = proof
    for key, job in wanted.items():  # a process has no command line while its program is loading
        for number, proof in loading.items():
            if (job.job_id == str(number) and job.process == proof != "") or parent(number) in found[key]:
                found[key][number] = proof
    return [(job, found[key]) for key, job in wanted.items() if found[key]]


def _named_by(number: int, command: list[str], began_with: set[str]) -> list[tuple[str, str]]:
    """Return the folders and job ids that a process carries."""
    folders = [entry.removeprefix(_FOLDER) for entry in began_with if entry.startswith(_FOLDER)]
    if any(program in command for program in _PROGRAMS):
        folders.append(command[-1])
    ids = [entry.removeprefix(_JOB_ID) for entry in began_with if entry.startswith(_JOB_ID)]
    return [(folder, job_id) for folder in folders for job_id in (*ids, str(number))]


def end_jobs(jobs: list[Job], sweep_folder: Path) -> None:
    """Send SIGTERM to the top process of each job, which passes it on to the processes that it started."""
    for _job, found in processes_of(jobs, sweep_folder):
        for number, proof in found.items():
            if parent(number) not in found:
                send_signal(number, signal.SIGTERM, proof)
