"""The use-cases: one file each, in terms of the core alone."""
