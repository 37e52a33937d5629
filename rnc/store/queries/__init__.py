"""The dashboard's SELECTs by subject: runs, metrics, vectors of classes, samples, and kept results of the lab."""
