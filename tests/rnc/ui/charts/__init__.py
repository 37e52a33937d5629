"""Tests of rnc/ui/charts."""
