"""The forms of `Transport`, over httptools and over aiohttp's session, and the choice of one."""

from elevenphone._http.selection import Choice, Form, HTTPTransport, make_transport

__all__ = ["Choice", "Form", "HTTPTransport", "make_transport"]
