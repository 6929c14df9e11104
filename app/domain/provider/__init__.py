"""The platform as its operator sees it: health, metrics. Owns no table."""
