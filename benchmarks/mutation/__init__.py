"""Mutants that nobody chose: small changes of our own sources, each of which what checks that source must notice."""
