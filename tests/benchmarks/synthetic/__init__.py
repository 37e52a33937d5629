"""Made-up runs, to try the dashboard at scale."""
