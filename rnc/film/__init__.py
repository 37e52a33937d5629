"""The collapse film: the positions of a run's sampled features at all stored epochs and attack steps, as files for a browser."""
