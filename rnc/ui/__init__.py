"""The user interface of the dashboard: modules shared by all pages, and folders with the charts and parts of single pages."""
