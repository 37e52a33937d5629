"""Robust neural collapse: attacks, collapse metrics, their geometry and how to see it. Importing this loads nothing."""
