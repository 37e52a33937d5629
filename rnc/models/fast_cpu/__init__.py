"""Faster passes of a network in eval mode: folded BatchNorm on all devices, Winograd convolutions on CPUs."""
