"""Faster passes of a network in eval mode: folded BatchNorm everywhere, Winograd convolutions on CPUs."""
