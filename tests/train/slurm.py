"""A SLURM of one node for tests: munge and both daemons with a configuration of their own, on ports of their own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
SLOTS = 4
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=2,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={slots} State=UNKNOWN
PartitionName=sweep Nodes={host} Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 MaxTime=INFINITE State=UP
"""


def installed() -> bool:
    """Return whether Debian's slurm-wlm and munge are installed."""
    return all(shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") for program in PROGRAMS)


@contextmanager
def one_node(folder: Path) -> Iterator[str]:
    """SLURM runs within the block, and SLURM_CONF names it; the node's name."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(host=host, ports=_free_ports(), folder=folder, user=getpass.getuser(), slots=SLOTS))
    before, path = os.environ.get("SLURM_CONF"), os.environ["PATH"]
    os.environ |= {"SLURM_CONF": str(conf), "PATH": f"{path}:/usr/sbin"}
    daemons: list[subprocess.Popen] = []
    try:
        daemons.append(_munge(folder))
        daemons += [subprocess.Popen(["slurmctld", "-D"]), subprocess.Popen(["slurmd", "-D", "-N", host])]
        wait_for(lambda: "idle" in answer("sinfo", "--noheader", "--format=%T"), 60)
        yield host
    finally:
        answer("scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")  # (jobs outlive the daemons)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(20)
        os.environ["PATH"] = path
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def _munge(folder: Path) -> subprocess.Popen:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    files = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
    options = [f"--{name}={folder / file}" for name, file in files.items()]
    return subprocess.Popen(["munged", "--foreground", "--force", f"--key-file={key}", *options])


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def answer(*command: str) -> str:
    """Return the output of a command, empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(condition, seconds: float) -> None:
    """Until a condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
