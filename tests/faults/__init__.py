"""Faults under load: a three-broker Apache Kafka, a network to break, and a ledger that judges every answer."""
