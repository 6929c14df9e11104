-- Once, as the administrator, before PgBouncer stands in between: what it drops from a connection's start belongs to the role.
ALTER ROLE mostrador_app SET statement_timeout = '15s';
ALTER ROLE mostrador_app SET lock_timeout = '3s';
ALTER ROLE mostrador_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE mostrador_app SET jit = off;
ALTER ROLE mostrador_platform SET statement_timeout = '15s';
ALTER ROLE mostrador_platform SET lock_timeout = '3s';
ALTER ROLE mostrador_platform SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE mostrador_platform SET jit = off;
