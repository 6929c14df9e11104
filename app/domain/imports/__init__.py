"""Bringing a shop's data in from CSV and XLSX: dry run, error per line, undo.

Owns `import_batch`, `import_item`.
"""
