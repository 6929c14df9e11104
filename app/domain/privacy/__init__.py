"""Data protection (Ley 1581 de 2012): what people agreed to, what is known of them, and forgetting them.

Owns `consent`.
"""
