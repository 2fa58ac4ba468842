"""TLS between a transport and a connection.

asyncio's own layer does more than a client of HTTP needs, and takes twice the time
(uvloop's, three times): it parts what is written, and reads each time until OpenSSL
raises.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from elevenphone._http.httptools_form.connection import Connection
from elevenphone._http.httptools_form.receiver import Receiver

_LONGEST_RECORD = 16_384


class TLSLayer(Receiver):
    """The protocol of a transport, and in turn the transport of a connection.

    Args:
        loop: The running event loop.
        context: Says whom to trust.
        host: The name that the certificate must have.
        connection: Gets the decrypted bytes.

    Attributes:
        handshake: Done when the connection may be used. It raises `ssl.SSLError`, or
            `ConnectionError` if the server closed the connection.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext, host: str, connection: Connection
    ) -> None:
        super().__init__()
        self.handshake: asyncio.Future[None] = loop.create_future()
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._is_established = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._take_in = self._incoming.write
        self._encrypt = self._tls.write
        self._decrypt = self._tls.read

    # What the connection calls

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        try:
            sent = self._encrypt(data)
            while sent < len(data):
                sent += self._encrypt(data[sent:])
        except ssl.SSLError:
            self.abort()  # the connection hears of it as of any other end
        else:
            if self._transport is not None:
                self._transport.write(self._outgoing.read())

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether it has been closed, or is about to be."""
        return self._transport is None or self._transport.is_closing()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._shake_hands()

    def received(self, data: bytes | memoryview) -> None:
        """Decrypt what came."""
        self._take_in(data)
        if not self._is_established and not self._shake_hands():
            return
        try:
            while True:
                decrypted = self._decrypt(_LONGEST_RECORD)
                if not decrypted:  # the server has closed the TLS connection
                    self._connection.eof_received()
                    self.abort()
                    return
                self._connection.received(decrypted)
                # To read until OpenSSL raises would cost a microsecond more each time.
                if not self._incoming.pending and not self._tls.pending():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._flush()  # tells the server the reason
            self.abort()
            return
        if self._outgoing.pending:
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._transport = None
        if self._is_established:
            self._connection.connection_lost(exc)
        elif not self.handshake.done():
            self.handshake.set_exception(exc or ConnectionResetError())

    def _shake_hands(self) -> bool:
        """Go on with the handshake, as far as what came allows.

        Returns:
            Whether it is done.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # tells the server the reason
            if not self.handshake.done():
                self.handshake.set_exception(error)
        else:
            self._is_established = True
            self._flush()
            self._connection.connection_made(self)
            if not self.handshake.done():
                self.handshake.set_result(None)
        return self._is_established

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())
