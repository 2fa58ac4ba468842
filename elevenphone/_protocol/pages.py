"""A page of a listing: its query, and its body."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from elevenphone._json import SNIPPET_BYTES, invalid, malformed, refuse_deep_nesting
from elevenphone._values import shown
from elevenphone.errors import ConfigurationError, DecodeError, FaultyElementError
from elevenphone.models import PhoneNumber, decode

PAGES_PATH = "/v1/convai/v2/phone-numbers"
_LARGEST_PAGE = 1_000
_DIRECTIONS = ("asc", "desc")
_WHAT = "a page of phone numbers"


class Page(msgspec.Struct, frozen=True):
    """A page, whose elements are not decoded yet.

    Attributes:
        phone_numbers: The bytes of each element.
        has_more: Whether another page follows.
        next_cursor: The cursor of the next page, or `None`.
    """

    phone_numbers: list[msgspec.Raw]
    has_more: bool
    next_cursor: str | None = None


class _Identified(msgspec.Struct):
    phone_number_id: str


_PAGE = msgspec.json.Decoder(Page)
_IDENTIFIED = msgspec.json.Decoder(_Identified)


def first_query(page_size: int, **filters: str | bool | None) -> str:
    """Make the query of the first page.

    Args:
        page_size: Numbers on a page, from 1 to 1,000.
        **filters: Those that are not `None` are sent.

    Returns:
        Percent-encoded parameters, the page size first.

    Raises:
        ConfigurationError: A value is of the wrong type, or out of range.
    """
    if not isinstance(page_size, int) or isinstance(page_size, bool) or not 1 <= page_size <= _LARGEST_PAGE:
        raise ConfigurationError(
            f"page_size must be a whole number from 1 to {_LARGEST_PAGE:,}, not {shown(page_size)}"
        )
    parameters = [f"page_size={page_size}"]
    parameters += [f"{name}={_encoded(name, value)}" for name, value in filters.items() if value is not None]
    return "&".join(parameters)


def next_query(query: str, cursor: str) -> str:
    """Make the query of another page of the same listing."""
    return f"{query}&cursor={quote(cursor, safe='')}"


def _encoded(name: str, value: object) -> str:
    if name == "supports_outbound":
        if not isinstance(value, bool):
            raise ConfigurationError(f"supports_outbound must be True, False or None, not {shown(value)}")
        return "true" if value else "false"
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a str or None, not {shown(value)}")
    if name == "sort_direction" and value not in _DIRECTIONS:
        raise ConfigurationError(f"sort_direction must be 'asc' or 'desc', not {shown(value)}")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} has characters that UTF-8 cannot encode: {shown(value)}") from None


def decode_page(body: bytes) -> Page:
    """Decode the body of a page.

    Args:
        body: JSON in UTF-8.

    Returns:
        The page; its elements may still turn out to be faulty.

    Raises:
        DecodeError: The body is not a page.
    """
    try:
        refuse_deep_nesting(body, _WHAT)
        return _PAGE.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(body, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, _WHAT, str(error)) from None


def decode_element(page: Page, index: int, status: int) -> PhoneNumber:
    """Decode one element of a page.

    Args:
        page: The page.
        index: The position of the element on it.
        status: The HTTP status of the answer, for the error.

    Returns:
        The number.

    Raises:
        FaultyElementError: The element is not a phone number.
    """
    element = bytes(page.phone_numbers[index])
    try:
        return decode(element)
    except DecodeError as error:
        path = f"$.phone_numbers[{index}]{(error.path or '$')[1:]}"
        faulty = FaultyElementError(
            error.message, path, status, element[:SNIPPET_BYTES], phone_number_id=_id_of(element)
        )
    raise faulty


def _id_of(element: bytes) -> str | None:
    try:
        return _IDENTIFIED.decode(element).phone_number_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
