"""A Stripe of our own for development and tests: the part of its API that billing uses, a clock that can be moved, faults.

Shares no code with what it stands in for. Its shapes are those of the API version 2026-10-28.endive.
"""
