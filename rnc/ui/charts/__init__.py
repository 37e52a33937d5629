"""DataFrames to Altair charts: no Streamlit, no queries. Colours, dashes and shapes: `palette`."""
