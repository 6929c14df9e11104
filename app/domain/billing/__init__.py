"""What a company pays the operator: its subscription and life, invoices, recurring revenue, the provider's events.

Owns `subscription`, `subscription_transition`, `billing_move`, `billing_invoice`, `billing_notice`, `mrr_movement`,
`payment_event`, `billing_report`, `plan_price`.
"""
