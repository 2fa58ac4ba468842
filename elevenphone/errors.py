"""Every exception that this package raises.

All are subclasses of `ElevenPhoneError`. They hold plain data, never a response or a
socket, and can be pickled. None of them contains the API key.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

RateLimitKind: TypeAlias = Literal["concurrency", "rate", "busy", "quota", "unknown"]
"""The reason for a 429; see `RateLimitError.kind`."""

Scope: TypeAlias = Literal["lookup", "account"]
"""Whether an error concerns one lookup, or every lookup of the client."""


class Attempt(NamedTuple):
    """One failed attempt of a lookup; see `ElevenPhoneError.history`.

    Attributes:
        started: Seconds from the start of the lookup's first attempt to the start of this one.
        elapsed: Seconds that this attempt took.
        status: The HTTP status of the answer, or `None` if there was no answer.
        error: The text of the error.
    """

    started: float
    elapsed: float
    status: int | None
    error: str


class ElevenPhoneError(Exception):
    """The base class of all exceptions of this package.

    Attributes:
        history: The last 16 failed attempts of the lookup, oldest first. Empty if
            nothing was sent.

    Example:
        ```python
        try:
            number = await client.get(phone_number_id)
        except ElevenPhoneError as error:
            if error.scope == "account":
                raise  # every other id would fail in the same way
            print(error, "after", len(error.history), "attempts")
        ```
    """

    history: tuple[Attempt, ...] = ()

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        from elevenphone._meaning import meaning_of  # noqa: PLC0415 - the table names the classes below

        return meaning_of(self).retryable

    @property
    def scope(self) -> Scope:
        """`"account"` if every other id would fail in the same way, else `"lookup"`."""
        from elevenphone._meaning import meaning_of  # noqa: PLC0415 - the table names the classes below

        return meaning_of(self).scope


class ConfigurationError(ElevenPhoneError, ValueError):
    """The client was set up or used in a wrong way, or it was closed.

    Examples: the key is missing or malformed, an address is plain `http`, the client
    belongs to another event loop, or it was closed before the call or during it.
    """


class InvalidPhoneNumberIdError(ElevenPhoneError, ValueError):
    """The text cannot be the id of a phone number; nothing was sent."""


class TransportError(ElevenPhoneError):
    """No complete HTTP answer arrived."""


ConnectionStage: TypeAlias = Literal["connect", "certificate", "response"]
"""How far a connection came; see `ConnectionFailedError.stage`."""


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke before the answer was complete.

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
    """The answer is not valid HTTP, or has an encoding that the client did not ask for."""


class ResponseTooLargeError(TransportError):
    """The answer is larger than 4 MiB; the client stopped reading."""


class DeadlineExceededError(ElevenPhoneError, TimeoutError):
    """The lookup's `deadline` passed.

    Attributes:
        last_error: The error of the attempt before, or `None` if there was no such attempt.
    """

    def __init__(self, message: str, last_error: ElevenPhoneError | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.last_error = last_error

    def __str__(self) -> str:
        return f"{self.message}; the last error was: {self.last_error}" if self.last_error else self.message


class StatusError(ElevenPhoneError):
    """The server answered with a status that is not a success.

    Statuses with a class of their own: 401, 403, 404, 422, 429 and 5xx.

    Attributes:
        status: The HTTP status, such as 404.
        code: The API's word for the error, such as `phone_number_not_found`, or `None` if
            the body has no such word.
        message: The API's message, or one that the client made from the status.
        request_id: The id of the request, for ElevenLabs' support, or `None`.
        retry_after: Seconds that the server asks to wait, or `None`.
        body: The first 10,000 bytes of the body.
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
        """What to do about it, or `None`."""
        return _START_AGAIN if self.code == "invalid_cursor" else None

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


_START_AGAIN = "The numbers have changed, or the listing took too long: call `list` again."
_OTHER_REGION = "A key is valid in the region of its workspace only: check `region` or `base_url`."


class AuthenticationError(StatusError):
    """401: the key is missing, wrong or out of quota, or it lacks a permission."""

    @property
    def hint(self) -> str | None:
        """What to do about it, or `None`."""
        match self.code:
            case "missing_permissions":
                return "The key is scoped: give it read access to Conversational AI."
            case "quota_exceeded":
                return "The account's quota is used up: a retry fails until the quota is renewed."
            case "detected_unusual_activity":
                return "ElevenLabs has locked this key: ask its support."
            case _:
                return _OTHER_REGION


class PermissionDeniedError(StatusError):
    """403: the key, the plan or the workspace does not allow this request."""


class NotFoundError(StatusError):
    """404: the key's workspace has no phone number with this id."""

    @property
    def hint(self) -> str | None:
        """What to do about it, or `None`."""
        return _OTHER_REGION


class FieldError(NamedTuple):
    """One invalid field, as a 422 names it.

    Attributes:
        location: The place of the error, such as `("path", "phone_number_id")`.
        message: The server's message.
        type: The server's word for the error, such as `missing`.
    """

    location: tuple[str | int, ...]
    message: str
    type: str


class UnprocessableEntityError(StatusError):
    """422: the server refused the request as invalid.

    Attributes:
        errors: The invalid fields; empty if the body names none.
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
    """429: too many requests, or the quota is used up.

    Attributes:
        kind: The reason: `"concurrency"` (too many requests in flight), `"rate"` (too
            many requests a second), `"busy"` (the whole service is busy), `"quota"` (the
            quota is used up, so waiting does not help) or `"unknown"`.
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
    """5xx: the server failed."""


class DecodeError(ElevenPhoneError):
    """The body is not a phone number, or not a page of a listing.

    Attributes:
        message: The problem.
        path: The place in the body, such as `$.label`, or `None` if the body is not JSON.
        status: The HTTP status, or `None` if the body did not come from an answer.
        snippet: The first 200 bytes of the body.
        truncated: Whether the body may have been cut short. Then a retry may help.
    """

    _what_snippet_shows = "the body"

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
        what = self._what_snippet_shows
        return f"{text}; {what} begins {self.snippet!r}" if self.snippet else f"{text}; {what} is empty"


class FaultyElementError(DecodeError):
    """One element of a listing's page is not a phone number. The listing can go on.

    Attributes:
        message: The problem.
        path: The place on the page, such as `$.phone_numbers[3].label`.
        status: The HTTP status of the answer.
        snippet: The first 200 bytes of the element.
        truncated: `False`.
        phone_number_id: The element's id, or `None` if it cannot be read.
    """

    _what_snippet_shows = "the element"

    def __init__(
        self,
        message: str,
        path: str | None = None,
        status: int | None = None,
        snippet: bytes = b"",
        truncated: bool = False,
        phone_number_id: str | None = None,
    ) -> None:
        super().__init__(message, path, status, snippet, truncated)
        self.phone_number_id = phone_number_id
