"""Searches the settings of models, each with the same budget: Optuna draws and prunes, the harness trains."""
