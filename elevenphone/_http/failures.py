"""What failures are called, whichever form meets them: the words are the same, and the key is in none."""

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
        host: Host and port, as they stand in its address.
        api_key: What must not be seen.
    """

    def __init__(self, host: str, api_key: str) -> None:
        self._host = host
        self._api_key = api_key

    def connecting(self, error: Exception) -> TransportError:
        """Say why no connection was made.

        Args:
            error: What the system, or `ssl`, raised.
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
        """Say that no connection was made."""
        return ConnectionFailedError(self.said(f"could not connect: {why}"), stage="connect")

    def untrusted(self, why: str) -> ConnectionFailedError:
        """Say what is wrong with a certificate."""
        why = f"its TLS certificate is not trusted: {why}"
        return ConnectionFailedError(self.said(why), stage="certificate")

    def no_host(self, error: UnicodeError) -> TransportError:
        """Say that a name cannot be one."""
        return TransportError(self.said(f"is not the name of a host: {_reason(error)}"))

    def closed_unanswered(self) -> ConnectionFailedError:
        """Say that the connection ended before a byte of the answer."""
        return ConnectionFailedError(self.said("the connection was closed before an answer"))

    def cut_short(self) -> ConnectionFailedError:
        """Say that the connection ended in the middle of the answer."""
        return ConnectionFailedError(self.said("the answer was cut short"))

    def broken(self, error: Exception) -> ConnectionFailedError:
        """Say that the connection failed in another way after the request was sent."""
        return ConnectionFailedError(self.said(f"the connection failed: {_reason(error)}"))

    def not_http(self, why: str) -> ProtocolError:
        """Say what is wrong with an answer's form."""
        return ProtocolError(self.said(f"the answer is not HTTP: {' '.join(why.split())}"))

    def unknown(self, error: Exception) -> TransportError:
        """Say what nobody foresaw."""
        return TransportError(self.said(f"{type(error).__name__}: {_reason(error)}"))

    def said(self, what: str) -> str:
        """Make the text of an error: the host, what happened to it, and never the key."""
        return without_key(f"{self._host}: {what}", self._api_key)[:_LONGEST_MESSAGE]


def _reason(error: Exception) -> str:
    """Say why, never with an empty text."""
    return str(error) or type(error).__name__


def unasked_encoding(encoding: str, body: bytes, api_key: str) -> TransportError:
    """Say what is wrong with a body that was encoded though that was not asked for.

    Args:
        encoding: What it is said to be encoded with.
        body: As it came.
        api_key: What must not be seen.
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
    """Say that a body was transferred in another way than in one piece or in chunks."""
    shown = without_key(coding, api_key)[:_LONGEST_MESSAGE]
    return ProtocolError(f"the answer's transfer encoding is {shown!r}, which was not asked for")
