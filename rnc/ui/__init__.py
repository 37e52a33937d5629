"""The dashboard's parts: what is shared by the pages, and in its folders the charts and what single pages draw."""
