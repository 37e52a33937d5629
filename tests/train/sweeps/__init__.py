"""Tests of train/sweeps."""
