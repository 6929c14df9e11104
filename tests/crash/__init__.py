"""The crash suite: every process killed under load, and everything that was acknowledged counted again afterwards.

`python -m tests.crash`, which `make crash` runs; `test_small.py` is the same in a small size.
"""
