"""The command `python -m tests.benchmarks.synthetic`."""

from rnc.command_line import run_command
from tests.benchmarks.synthetic.runs import main

run_command(main)
