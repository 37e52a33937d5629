"""The processes of jobs on this machine, and the proof that they belong to a job before they are reported or signalled.

A job is a controller of submitit, a task under it, and the runs under that. All of them carry the job's own folder, as
their argument or in their initial environment. Runs are therefore found even if the job's controller was killed, and a
process number in a sweep's file that now belongs to another process, or to a kernel thread, is not taken for a job.

Tested by tests/train/test_sweep_jobs.py.
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
    """Return the jobs that have living processes, with the id and the identity of each process."""
    by_folder = {(str(job_folder(sweep_folder, job)), job.job_id): job for job in jobs}
    running: dict[tuple[str, str], dict[int, str]] = {key: {} for key in by_folder}
    loading: dict[int, str] = {}
    for pid in processes_of_user():
        process_identity = identity(pid)  # read first: a signal is sent only if the identity is still the same
        command, variables = arguments(pid), environment(pid)
        if not command:
            loading[pid] = process_identity
        for key in _folders_and_ids(pid, command, variables):
            if key in running:
                running[key][pid] = process_identity
    for key, job in by_folder.items():  # a process has no command line while its program is loading
        for pid, process_identity in loading.items():
            if (job.job_id == str(pid) and job.process == process_identity != "") or parent(pid) in running[key]:
                running[key][pid] = process_identity
    return [(job, running[key]) for key, job in by_folder.items() if running[key]]


def _folders_and_ids(pid: int, command: list[str], variables: set[str]) -> list[tuple[str, str]]:
    """Return the folders and job ids that a process carries."""
    folders = [entry.removeprefix(_FOLDER) for entry in variables if entry.startswith(_FOLDER)]
    if any(program in command for program in _PROGRAMS):
        folders.append(command[-1])
    ids = [entry.removeprefix(_JOB_ID) for entry in variables if entry.startswith(_JOB_ID)]
    return [(folder, job_id) for folder in folders for job_id in (*ids, str(pid))]


def send_sigterm_to_jobs(jobs: list[Job], sweep_folder: Path) -> None:
    """Send SIGTERM to the top process of each job, which passes it on to the processes that it started."""
    for _job, running in processes_of(jobs, sweep_folder):
        for pid, process_identity in running.items():
            if parent(pid) not in running:
                send_signal(pid, signal.SIGTERM, process_identity)
