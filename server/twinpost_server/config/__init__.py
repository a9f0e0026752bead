"""Settings: typed, frozen, read once at start."""
