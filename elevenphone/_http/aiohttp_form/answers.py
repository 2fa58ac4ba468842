"""Read the body of an answer, up to the limit, and translate aiohttp's exceptions."""

from __future__ import annotations

import aiohttp
from aiohttp import hdrs

from elevenphone._http.aiohttp_form.connector import NotHTTPError
from elevenphone._http.failures import Failures
from elevenphone._http.limits import LEAST_STATUS, MAX_BODY_BYTES, MAX_LENGTH_DIGITS, too_large
from elevenphone.errors import ElevenPhoneError, RequestTimeoutError


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read a body, up to the limit. A body with a known length is faster.

    Raises:
        NotHTTPError: The head is malformed, although aiohttp accepted it.
    """
    version = response.version
    if version is not None and version.major != 1:
        raise NotHTTPError(f"its version is {version.major}.{version.minor}")
    if response.status < LEAST_STATUS:
        raise NotHTTPError(f"its status is {response.status:03}")
    length = response.headers.get(hdrs.CONTENT_LENGTH, "")
    if len(length) > MAX_LENGTH_DIGITS:
        raise NotHTTPError("its Content-Length has too many digits")
    if length and int(length) <= MAX_BODY_BYTES:
        return await response.read()
    return await _read_capped(response)


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    room = MAX_BODY_BYTES
    async for chunk in response.content.iter_any():
        room -= len(chunk)
        if room < 0:
            raise too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def translate(error: Exception, failures: Failures) -> ElevenPhoneError:
    """Map an error of aiohttp to one of this package, the most specific first."""
    match error:
        case ElevenPhoneError():
            return error.with_traceback(None)
        case NotHTTPError():
            return failures.not_http(str(error))
        case TimeoutError():
            return RequestTimeoutError(failures.said("timed out in the session's own settings"))
        case aiohttp.ClientConnectorCertificateError():
            return failures.connecting(error.certificate_error)
        case aiohttp.ServerFingerprintMismatch():
            return failures.untrusted("it is not the one that the session expects")
        case aiohttp.ClientConnectorError():
            return failures.connecting(error.os_error)
        case aiohttp.ClientPayloadError():
            return failures.cut_short()
        case aiohttp.ClientHttpProxyError():
            return failures.not_connected(f"the proxy answered {error.status} {error.message}")
        case aiohttp.ClientResponseError():
            # Here aiohttp invents a status of 400, since the server sent nothing readable.
            return failures.not_http(error.message)
        case UnicodeError():
            return failures.no_host(error)
        case aiohttp.ClientConnectionError() | OSError():
            return failures.broken(error)
        case _:
            return failures.unknown(error)
