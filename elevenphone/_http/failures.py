"""The messages of failures, the same in each form of HTTP, and without the key."""

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
        host: Host and port, as in its address.
        api_key: The key, which must not be shown.
    """

    def __init__(self, host: str, api_key: str) -> None:
        self._host = host
        self._api_key = api_key

    def connecting(self, error: Exception) -> TransportError:
        """Make the error for a connection that was not made, with its reason.

        Args:
            error: The error that the system, or `ssl`, raised.
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
        """Make the error for a connection that was not made."""
        return ConnectionFailedError(self.said(f"could not connect: {why}"), stage="connect")

    def untrusted(self, why: str) -> ConnectionFailedError:
        """Make the error for a certificate that was refused."""
        why = f"its TLS certificate is not trusted: {why}"
        return ConnectionFailedError(self.said(why), stage="certificate")

    def no_host(self, error: UnicodeError) -> TransportError:
        """Make the error for an impossible host name."""
        return TransportError(self.said(f"is not the name of a host: {_reason(error)}"))

    def closed_unanswered(self) -> ConnectionFailedError:
        """Make the error for a connection that ended before the first byte of the answer."""
        return ConnectionFailedError(self.said("the connection was closed before an answer"))

    def cut_short(self) -> ConnectionFailedError:
        """Make the error for a connection that ended in the middle of the answer."""
        return ConnectionFailedError(self.said("the answer was cut short"))

    def broken(self, error: Exception) -> ConnectionFailedError:
        """Make the error for a connection that failed in another way after the request was sent."""
        return ConnectionFailedError(self.said(f"the connection failed: {_reason(error)}"))

    def not_http(self, why: str) -> ProtocolError:
        """Make the error for a malformed answer."""
        return ProtocolError(self.said(f"the answer is not HTTP: {' '.join(why.split())}"))

    def unknown(self, error: Exception) -> TransportError:
        """Make the error for an unexpected exception."""
        return TransportError(self.said(f"{type(error).__name__}: {_reason(error)}"))

    def said(self, what: str) -> str:
        """Make the message of an error: the host and the reason, and never the key."""
        return without_key(f"{self._host}: {what}", self._api_key)[:_LONGEST_MESSAGE]


def _reason(error: Exception) -> str:
    """Return the reason, which is never empty."""
    return str(error) or type(error).__name__


def unasked_encoding(encoding: str, body: bytes, api_key: str) -> TransportError:
    """Make the error for a body with a content encoding that was not requested.

    Args:
        encoding: The stated content encoding.
        body: The received bytes.
        api_key: The key, which must not be shown.
    """
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, told apart by their headers
    try:
        inflated = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) > MAX_BODY_BYTES:
        return too_large()
    cut = "" if inflater.eof else ", and it is cut short or damaged"
    shown = without_key(encoding, api_key)[:_LONGEST_MESSAGE]
    return ProtocolError(
        f"the answer is compressed ({shown!r}) though that was not asked for{cut}; "
        "is there a proxy in between?"
    )


def unasked_transfer(coding: str, api_key: str) -> ProtocolError:
    """Make the error for a body with an unknown transfer encoding."""
    shown = without_key(coding, api_key)[:_LONGEST_MESSAGE]
    return ProtocolError(f"the answer's transfer encoding is {shown!r}, which was not asked for")
