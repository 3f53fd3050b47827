"""Which index to take for given needs, from measured records alone."""
