"""What is told about failures: to the operator, with every delivery on record, and to a company about its own counter.

Owns `alert_delivery`, `alert_silence`, `schedule_run`, `release_mark`; when an alert opens and ends is the monitor's business.
"""
