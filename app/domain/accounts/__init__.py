"""People: sign-up, login, sessions, memberships.

Owns `app_user`, `membership`, `membership_branch`, `auth_session`, `refresh_token`, `one_time_token`, `password_history`,
`totp_factor`, `recovery_code`, `terms_acceptance`.
"""
