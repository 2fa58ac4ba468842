"""The version, in one place; the packaging reads it here."""

__version__ = "0.1.0"
