"""A twinpost under test: its processes, and clients that share no code with it."""
