"""`python -m benchmarks.records`: prints the list of fields, which docs/records.md holds."""

import sys

from benchmarks.records.page import page

sys.stdout.write(page())
