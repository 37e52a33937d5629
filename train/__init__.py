"""Training: `python -m train.run` trains networks and writes what happens to their geometry into the store."""
