"""Limits: how many requests may be in flight, when the next may start, and who starts it."""
