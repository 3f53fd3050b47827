"""How a command ends: its exit code."""

FINE = 0
FAILED = 1  # a verdict, a cell, or needs that nothing meets
WRONG_INPUT = 2
NOTHING_MEASURED = 3
MACHINE_FAILED = 4  # disk, memory, permission
INTERRUPTED = 130  # what shells report of a program that Ctrl-C ended
