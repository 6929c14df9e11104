"""Where a company stands: onboarding, use of its plan, notices. Computed from facts of all domains; owns no table."""
