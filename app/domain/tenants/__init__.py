"""The company and its places: branches, warehouses, registers.

Owns `tenant`, `branch`, `warehouse`, `cash_register`.
"""
