"""Brokers for tests, and the ledger that reads back what they hold."""
