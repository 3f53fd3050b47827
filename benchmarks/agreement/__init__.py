"""Whether adapters agree: with their reference, with each other, and whether bugs in them would be seen."""

INJECTED = "injected bugs"
"""The variant of a cell whose adapter has been given the known bugs."""

WHOLE = "whole"
"""The climb on ordinary data to the end of a training, of which every variant of a family has one."""

SHARED = ("optimizers", "layers", "contract")
"""The modules that all adapters of a backend share, each importing only those before it."""
