"""Which frameworks and adapters there are, for tests that go over all of them, those to come too."""

from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS

WHOLE = tuple(name for name in FRAMEWORKS if not BACKENDS[name].only)  # those with an adapter of every family
ADAPTERS = {
    (family, backend): adapter
    for family, row in FAMILIES.items()
    for backend, adapter in row.adapters.items()
    if isinstance(adapter, str)
}
