"""Who did what: an append-only chain per company, verified end to end.

Owns `audit_entry`, `audit_head`; the writing side is `app.lib.audit`.
"""
