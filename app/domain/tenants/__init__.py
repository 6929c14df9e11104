"""The company and its places: branches, warehouses, registers, consecutives.

Owns `tenant`, `branch`, `warehouse`, `cash_register`, `numbering`.
"""
