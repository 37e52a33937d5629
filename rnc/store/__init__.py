"""The DuckDB store: the bridge between training and dashboard. `writer` fills it, `reader` answers named questions."""
