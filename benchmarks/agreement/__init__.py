"""Whether adapters agree: with their reference, with each other, and whether bugs in them would be seen."""

INJECTED = "injected bugs"
"""The variant of a cell whose adapter has been given the known bugs."""
