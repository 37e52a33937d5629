"""The attack lab's worker process, which loads networks, attacks images and measures them; uses torch, unlike `rnc.lab`."""
