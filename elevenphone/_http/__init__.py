"""The transports, over httptools and over aiohttp's session, and the choice between them."""

from elevenphone._http.selection import Choice, Form, HTTPTransport, make_transport

__all__ = ["Choice", "Form", "HTTPTransport", "make_transport"]
