"""Every exception that leaves this package.

All of them are `ElevenPhoneError`s. They carry plain data, never a response
or a socket, and they pickle. None of them ever holds the API key.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

RateLimitKind = Literal["concurrency", "rate", "busy", "quota", "unknown"]
"""What a 429 complains of; see `RateLimitError.kind`."""


class ElevenPhoneError(Exception):
    """The root of everything that this package raises."""


class ConfigurationError(ElevenPhoneError, ValueError):
    """The client was set up or used wrongly; nothing was sent.

    A missing or malformed key, a plain `http` address, a client that is closed
    or that belongs to another event loop.
    """


class InvalidPhoneNumberIdError(ElevenPhoneError, ValueError):
    """An id that cannot be one; nothing was sent."""


class TransportError(ElevenPhoneError):
    """No complete HTTP answer came."""


ConnectionStage = Literal["connect", "certificate", "response"]
"""How far a connection came that failed; see `ConnectionFailedError.stage`."""


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke before the answer was whole.

    Attributes:
        stage: `"connect"`: nothing was sent, because the name did not resolve, the
            server refused the connection, or the TLS handshake failed;
            `"certificate"`: nothing was sent, because the server's certificate is
            not trusted or belongs to another host; `"response"`: the connection
            broke after the request was sent.
    """

    def __init__(self, message: str, *, stage: ConnectionStage = "response") -> None:
        super().__init__(message)
        self.stage: ConnectionStage = stage


class RequestTimeoutError(TransportError, TimeoutError):
    """One attempt took longer than its `timeout`."""


class ProtocolError(TransportError):
    """The server sent something that is not the HTTP that was asked for."""


class ResponseTooLargeError(TransportError):
    """The answer is larger than any phone number could be; reading stopped."""


class DeadlineExceededError(ElevenPhoneError, TimeoutError):
    """The lookup's `deadline` passed.

    Attributes:
        last_error: What the attempt before said, if there was one.
    """

    def __init__(self, message: str, last_error: ElevenPhoneError | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.last_error = last_error

    def __str__(self) -> str:
        return f"{self.message}; before that: {self.last_error}" if self.last_error else self.message


class StatusError(ElevenPhoneError):
    """The server answered with a status that is not a success.

    Statuses with a class of their own: 401, 403, 404, 422, 429 and 5xx.

    Attributes:
        status: The HTTP status, such as 404.
        code: The API's own word for the error, such as `phone_number_not_found`,
            or `None` where the body gives none.
        message: The API's sentence, or one made of the status.
        request_id: What to quote to ElevenLabs' support, or `None`.
        retry_after: Seconds that the server asks to wait, or `None`.
        body: The body as it came, shortened to its first 10,000 bytes.
    """

    def __init__(
        self,
        status: int,
        code: str | None = None,
        message: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(status, code, message, request_id, retry_after, body)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body

    @property
    def hint(self) -> str | None:
        """What to do about it, where this is known."""
        return None

    def __str__(self) -> str:
        text = f"HTTP {self.status}"
        if self.code:
            text += f" {self.code}"
        if self.message:
            text += f": {self.message}"
        if self.retry_after is not None:
            text += f" (retry after {self.retry_after:g} s)"
        if self.request_id:
            text += f" (request id {self.request_id})"
        if not self.hint:
            return text
        return f"{text} {self.hint}" if text.endswith((".", "?", "!")) else f"{text}. {self.hint}"


_OTHER_REGION = (
    "A key, and all that belongs to its workspace, is known in one region alone: "
    "check `region` or `base_url`."
)


class AuthenticationError(StatusError):
    """401: the key is missing, wrong, out of quota, or lacks a permission."""

    @property
    def hint(self) -> str | None:
        """What to do about it, where this is known."""
        match self.code:
            case "missing_permissions":
                return "The key is scoped: give it read access to Conversational AI."
            case "quota_exceeded":
                return "The account's quota is used up: no retry helps until it is renewed."
            case "detected_unusual_activity":
                return "ElevenLabs has locked this key's use: ask its support."
            case _:
                return _OTHER_REGION


class PermissionDeniedError(StatusError):
    """403: the key may not read this."""


class NotFoundError(StatusError):
    """404: no phone number with this id is known to this key."""

    @property
    def hint(self) -> str | None:
        """What to do about it, where this is known."""
        return _OTHER_REGION


class FieldError(NamedTuple):
    """One complaint of a 422 body.

    Attributes:
        location: Where, such as `("path", "phone_number_id")`.
        message: What is wrong there.
        type: The validator's word for it, such as `missing`.
    """

    location: tuple[str | int, ...]
    message: str
    type: str


class UnprocessableEntityError(StatusError):
    """422: the server could not make sense of the request.

    Attributes:
        errors: The fields complained of; empty where the body names none.
    """

    def __init__(
        self,
        status: int = 422,
        code: str | None = None,
        message: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(status, code, message, request_id, retry_after, body)
        self.errors = errors


class RateLimitError(StatusError):
    """429: too much at once, too often, or more than is paid for.

    Attributes:
        kind: `"concurrency"` (too many in flight), `"rate"` (too many a second),
            `"busy"` (the service as a whole), `"quota"` (used up: waiting does not
            help) or `"unknown"`.
    """

    def __init__(
        self,
        status: int = 429,
        code: str | None = None,
        message: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
        kind: RateLimitKind = "unknown",
    ) -> None:
        super().__init__(status, code, message, request_id, retry_after, body)
        self.kind: RateLimitKind = kind


class ServerError(StatusError):
    """5xx: the fault is the server's."""


class DecodeError(ElevenPhoneError):
    """The body is not a phone number.

    Attributes:
        message: What is wrong.
        path: Where in the body, such as `$.label`, or `None` where the body is no
            JSON at all.
        status: The HTTP status it came with, or `None` for a body from elsewhere.
        snippet: The body's first 200 bytes.
        truncated: Whether the body looks cut short, so that asking again may help.
    """

    def __init__(
        self,
        message: str,
        path: str | None = None,
        status: int | None = None,
        snippet: bytes = b"",
        truncated: bool = False,
    ) -> None:
        super().__init__(message, path, status, snippet, truncated)
        self.message = message
        self.path = path
        self.status = status
        self.snippet = snippet
        self.truncated = truncated

    def __str__(self) -> str:
        text = self.message
        if self.path is not None:
            text += f" at {self.path}"
        if self.status is not None:
            text += f" (HTTP {self.status})"
        return f"{text}; the body begins {self.snippet!r}" if self.snippet else f"{text}; the body is empty"
