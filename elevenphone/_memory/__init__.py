"""Answers from memory: `get` in a client that has a cache."""
