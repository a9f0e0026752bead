"""A million records through a gateway that loses a worker, and what Kafka holds of them: a suite of its own.

`TWINPOST_LEDGER_RECORDS` sets another number of records, `TWINPOST_LEDGER_SAMPLES` names a CSV file for the memory of
every process over time.
"""
