"""Functions that turn DataFrames into Altair charts, without Streamlit or queries. `palette` defines colours, dashes, shapes."""
