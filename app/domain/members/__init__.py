"""People in a company: invitations, roles, cashier PINs, approvals, API keys.

Owns `company_role`, `invitation`, `member_pin`, `approval`, `api_key`; writes `membership` after sign-up.
"""
