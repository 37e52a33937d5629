"""Sweeps, many runs as jobs: the grid, the plan, and the back ends that run it (SLURM, or this machine)."""
