"""Speaks to object stores: a folder, S3 and what talks like it, Google Cloud, Azure."""
