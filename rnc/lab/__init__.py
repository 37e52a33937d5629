"""The attack lab: attack some images with a stored network, in a separate process, and inspect the result on a page.

The modules that the dashboard's server imports (`requests`, `results`, `client`) do not import torch. The worker process that
the client starts (`python -m rnc.lab.engine.worker`) does the work.
"""
