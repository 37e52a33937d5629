"""Tests of rnc/ui/film."""
