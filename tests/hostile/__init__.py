"""Hostile input and overload: whatever callers send, there is no 500, no hang, no leak and no crash."""
