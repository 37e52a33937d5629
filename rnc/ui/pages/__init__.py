"""The parts of the Findings and Geometry pages."""
