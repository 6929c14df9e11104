"""The whole database: dumped, sealed, stored, proven by a restore, and brought back on an empty server."""
