"""Two revisions, or two interpreters, against each other: is one slower than the other by more than chance?"""
