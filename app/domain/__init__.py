"""The domains of the trade; each owns its tables."""
