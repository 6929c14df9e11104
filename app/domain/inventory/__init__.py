"""Stock: what lies where, at what cost, what is on its way, what was counted, and every movement that made it so.

Owns `stock`, `stock_movement`, `stock_adjustment`, `stock_conflict`, `stock_transfer` and `stock_count` with their companions.
"""
