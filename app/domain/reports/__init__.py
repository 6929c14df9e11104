"""Reports, indicators and forecasts: figures that are read from what was written, each defined once.

Owns the daily roll-ups, what a shop has hidden, and exported files. Reads the rows of other domains and writes none.
"""
