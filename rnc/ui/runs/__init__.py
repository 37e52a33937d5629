"""The parts of the runs page: its table, what people change, and configs side by side."""
