"""The public client of the retired API, unchanged, against a running gateway."""
