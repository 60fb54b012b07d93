"""A corpus of steps, true and false, written to measure the checker; `tests/test_derivations.py` prints the table."""
