"""Tests of rnc/probe."""
