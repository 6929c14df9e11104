"""Mostrador: the counter, the stock and the drawer of many small shops."""

from importlib.metadata import version

__version__ = version("mostrador")
