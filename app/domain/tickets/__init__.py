"""Questions of companies to the operator: tickets with their thread, from both sides, told by mail."""
