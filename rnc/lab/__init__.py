"""The attack lab: a stored network, some images and an attack, run in a process of its own and looked at from a page.

What the dashboard's server imports of it (`requests`, `results`, `client`) is free of torch; the worker process that the
client starts (`python -m rnc.lab.engine.worker`) does the work.
"""
