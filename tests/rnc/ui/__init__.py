"""Tests of rnc/ui."""
