"""Slow, obviously right implementations from the paper's formulas. They import nothing from `rnc`."""
