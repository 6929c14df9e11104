"""The times of the system, measured: `make bench`, or `python -m tests.bench`."""
