"""Who did what: an append-only chain per company, verified end to end, anchored daily, archived in signed files.

Owns `audit_entry`, `audit_head`, `audit_checkpoint`, `audit_archive`; the writing side is `app.lib.audit`, and
`app.lib.person_keys` for what belongs to a person.
"""
