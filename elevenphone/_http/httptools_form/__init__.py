"""HTTP/1.1 over asyncio's transports, parsed by httptools.

`transport` sends a request over a `connection` out of the `pool`, or over a new one that `connecting` makes;
`headers` reads the headers.
"""
