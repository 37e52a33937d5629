"""`python -m rnc.doctor`: describe this installation and its store, report problems, and repair them if possible."""
