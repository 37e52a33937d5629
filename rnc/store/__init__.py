"""The DuckDB store, which connects training and dashboard. `writer` writes to it, `reader` answers named queries."""
