"""The systems that loads are put on: twinpost, and what it is measured against."""
