"""Tests of rnc/models/fast_cpu."""
