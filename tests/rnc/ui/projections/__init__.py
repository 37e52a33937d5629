"""Tests of rnc/ui/projections."""
