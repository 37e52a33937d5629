"""Measurement of a network under its conditions, and writing of the rows; nothing is trained here."""
