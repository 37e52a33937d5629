"""Measure a network under its conditions and write the rows; nothing is trained here."""
