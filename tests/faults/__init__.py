"""Faults as they happen to people: killed, suspended, starved, corrupted, locked."""
