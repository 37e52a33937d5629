"""Tests of rnc/ui/pages."""
