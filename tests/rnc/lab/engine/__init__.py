"""Tests of rnc/lab/engine."""
