"""Tests of rnc/film."""
