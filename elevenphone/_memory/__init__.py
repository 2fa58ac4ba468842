"""Answers from memory: what `get` does in a client that has a cache."""
