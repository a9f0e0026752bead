"""The tests of twinpost; `tests/conftest.py` says how the suites share brokers."""
