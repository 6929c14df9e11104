"""Posting to addresses that customers choose: which are allowed, and how to reach exactly those."""
