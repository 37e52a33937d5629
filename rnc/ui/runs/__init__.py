"""The parts of the runs page: its table, changes to runs, and configs side by side."""
