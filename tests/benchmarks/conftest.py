"""Puts this folder on the path, so that the tests of the command line can import `record_lines`."""
