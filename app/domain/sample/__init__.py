"""Sample companies: a hardware store of one's own with a history, filled by the worker, to look around in; and what fills
the demo shop of `mostrador up`, which is the same store.
"""
