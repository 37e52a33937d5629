"""What the Findings and Geometry pages draw."""
