"""One outside protocol each; no domain is known here."""
