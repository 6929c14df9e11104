"""The operator's support looking into a company: opened by its staff, seen and ended by both sides.

Owns `support_access` and `support_route`.
"""
