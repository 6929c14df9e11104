"""One company: its archive from one snapshot, its export, and its restore."""
