"""Programs of the repository itself: run by `make`, tested by `tests/repo`, part of no installation."""
