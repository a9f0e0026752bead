"""The benchmark: twinpost side by side with what it is measured against, in one run. `make bench` runs it."""
