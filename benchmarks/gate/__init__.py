"""Two revisions, or two interpreters, against each other: is one slower than the other by more than chance?"""

MOST_PAIRS = 32
"""Pairs of processes at most for a cell, where nothing else is said."""
