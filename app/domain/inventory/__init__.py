"""Stock: what lies where, at what cost, and every movement that made it so.

Owns `stock`, `stock_movement`, `stock_adjustment`, `stock_conflict`.
"""
