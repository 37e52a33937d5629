"""Robust neural collapse: attacks, collapse metrics, their geometry and its display. Importing this package loads nothing."""
