"""Stripe: its API behind the port `app.lib.payments`, and the signature of its events; knows no domain."""
