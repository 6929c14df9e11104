"""Background processes: queue worker, relay, scheduler, monitor. No business rule lives here."""
