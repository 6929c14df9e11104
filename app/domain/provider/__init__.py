"""The platform as its operator sees it: health and metrics; its staff, and the companies.

Owns `provider_user`, `provider_session`, `provider_answer`, `provider_entry` and its head.
"""
