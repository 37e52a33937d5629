"""The command `python -m tests.benchmarks.synthetic`."""

from rnc.command_output import run_command
from tests.benchmarks.synthetic.runs import main

run_command(main)
