"""What an operator runs besides the service: checks before a deploy, and what is generated from the tables."""
