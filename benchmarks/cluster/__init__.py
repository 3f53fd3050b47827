"""A Ray cluster as an executor: Ray says where a group runs, and there the same workers run it as on one machine.

The one room that imports Ray, which is installed where somebody asks for it; see docs/cluster.md.
"""
