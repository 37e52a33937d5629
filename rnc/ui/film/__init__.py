"""The collapse film on the screen: its player for the browser, the routes of its files, and its place on the pages."""
