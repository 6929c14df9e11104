"""The drawer: sessions, movements, counts, closes.

Owns `cash_session`, `cash_drawer`, `cash_movement`, `cash_close`, `cash_close_tender`.
"""
