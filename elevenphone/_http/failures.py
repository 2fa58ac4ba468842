"""The errors of both transports, with the same messages, and never with the key."""

from __future__ import annotations

import socket
import ssl
import zlib

from elevenphone._http.limits import MAX_BODY_BYTES, too_large
from elevenphone._http.redaction import without_key
from elevenphone.errors import ConnectionFailedError, ProtocolError, TransportError

_LONGEST_MESSAGE = 300


class Failures:
    """Makes the errors of one server.

    Args:
        host: Host and port of the server, as in its address.
        api_key: The key, which no message may contain.
    """

    def __init__(self, host: str, api_key: str) -> None:
        self._host = host
        self._api_key = api_key

    def connecting(self, error: Exception) -> TransportError:
        """Make the error for a connection that could not be made.

        Args:
            error: The exception of the system or of `ssl`.
        """
        match error:
            case ssl.SSLCertVerificationError():
                return self.untrusted(error.verify_message or _reason(error))
            case socket.gaierror():
                why = f"the name could not be resolved: {_reason(error)}"
                return ConnectionFailedError(self.said(why), stage="connect")
            case UnicodeError():
                return self.no_host(error)
            case ConnectionError() if not str(error):
                return self.not_connected("the server closed the connection during the TLS handshake")
            case _:
                return self.not_connected(_reason(error))

    def not_connected(self, why: str) -> ConnectionFailedError:
        """Make the error for a connection that could not be made, with a reason."""
        return ConnectionFailedError(self.said(f"could not connect: {why}"), stage="connect")

    def untrusted(self, why: str) -> ConnectionFailedError:
        """Make the error for a certificate that is not trusted."""
        why = f"its TLS certificate is not trusted: {why}"
        return ConnectionFailedError(self.said(why), stage="certificate")

    def no_host(self, error: UnicodeError) -> TransportError:
        """Make the error for an impossible host name."""
        return TransportError(self.said(f"is not the name of a host: {_reason(error)}"))

    def closed_unanswered(self) -> ConnectionFailedError:
        """Make the error for a connection that ended before the answer."""
        return ConnectionFailedError(self.said("the connection was closed before an answer"))

    def cut_short(self) -> ConnectionFailedError:
        """Make the error for a connection that ended in the middle of the answer."""
        return ConnectionFailedError(self.said("the answer was cut short"))

    def broken(self, error: Exception) -> ConnectionFailedError:
        """Make the error for a connection that failed in another way after the request was sent."""
        return ConnectionFailedError(self.said(f"the connection failed: {_reason(error)}"))

    def not_http(self, why: str) -> ProtocolError:
        """Make the error for an answer that is not HTTP."""
        return ProtocolError(self.said(f"the answer is not HTTP: {' '.join(why.split())}"))

    def unknown(self, error: Exception) -> TransportError:
        """Make the error for any other exception."""
        return TransportError(self.said(f"{type(error).__name__}: {_reason(error)}"))

    def said(self, what: str) -> str:
        """Make the message of an error: the host and the problem, without the key."""
        return without_key(f"{self._host}: {what}", self._api_key)[:_LONGEST_MESSAGE]


def _reason(error: Exception) -> str:
    """Return the text of an exception, or its class if the text is empty."""
    return str(error) or type(error).__name__


def unasked_encoding(encoding: str, body: bytes, api_key: str) -> TransportError:
    """Make the error for a body with an encoding that the client did not ask for.

    Args:
        encoding: The header `Content-Encoding`.
        body: The encoded body.
        api_key: The key, which the message may not contain.
    """
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, which their headers distinguish
    try:
        inflated = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) > MAX_BODY_BYTES:
        return too_large()
    cut = "" if inflater.eof else ", and it is cut short or damaged"
    shown = without_key(encoding, api_key)[:_LONGEST_MESSAGE]
    return ProtocolError(
        f"the answer is compressed ({shown!r}), but the client did not ask for that{cut}; "
        "is there a proxy in between?"
    )


def unasked_transfer(coding: str, api_key: str) -> ProtocolError:
    """Make the error for a body that is neither in one piece nor in chunks."""
    shown = without_key(coding, api_key)[:_LONGEST_MESSAGE]
    return ProtocolError(f"the answer's transfer encoding is {shown!r}, but the client did not ask for that")
