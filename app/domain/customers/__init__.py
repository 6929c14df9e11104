"""Who buys: people and companies with their fiscal data, and the built-in consumidor final.

Owns `customer`.
"""
