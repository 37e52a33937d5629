"""Training: `python -m train.run` trains networks and stores how the geometry of their features develops."""
