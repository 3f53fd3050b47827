"""Puts this folder on the path, so that the tests in its rooms can import `record_lines`."""
