"""`python -m rnc.doctor`: what this installation and its store are like, what is wrong, and what can be repaired."""
