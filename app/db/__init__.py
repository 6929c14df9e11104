"""The database: connections, transactions, tenants."""
