"""HTTP/1.1 over a session of aiohttp's.

The only modules that import aiohttp's client, and the only place where its exceptions become ours:
`transport` sends requests through the `connector`, and `answers` reads the answers.
"""
