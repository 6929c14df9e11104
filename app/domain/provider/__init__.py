"""The platform as its operator sees it: health and metrics; its staff, the companies, and the staff's look into one.

Owns `provider_user`, `provider_session`, `provider_answer`, `provider_entry` and its head, `support_access`, `support_route`.
"""
