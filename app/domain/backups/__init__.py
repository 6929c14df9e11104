"""Backups: of the whole platform and of one company, proven by restoring them.

Owns `backup_run`, `backup_drill`, `backup_policy`, `company_backup` and `company_restore`.
"""
