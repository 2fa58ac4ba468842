"""Answers from memory: `get` of a client with a cache."""
