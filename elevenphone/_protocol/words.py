"""The API's words for errors: the specific ones, and the kinds of a 429."""

from __future__ import annotations

from elevenphone.errors import RateLimitKind

_SPECIFIC_KINDS: dict[str, RateLimitKind] = {
    "too_many_concurrent_requests": "concurrency",
    "concurrent_limit_exceeded": "concurrency",
    "rate_limit_exceeded": "rate",
    "system_busy": "busy",
    "quota_exceeded": "quota",
    "insufficient_credits": "quota",
}
# Words that name a class of reasons, and values of `type`. They count only without a specific word.
_GENERAL_KINDS: dict[str, RateLimitKind] = {
    "rate_limited": "rate",
    "rate_limit_error": "rate",
}
# fmt: off
_SPECIFIC_WORDS = {
    *_SPECIFIC_KINDS,
    "invalid_parameters", "invalid_page_size", "invalid_cursor",                                      # 400
    "invalid_api_key", "needs_authorization", "missing_permissions", "detected_unusual_activity",     # 401
    "insufficient_permissions", "workspace_access_denied",                                            # 403
    "subscription_required", "feature_not_available",
    "phone_number_not_found", "document_not_found", "workspace_not_found",                            # 404
}
# fmt: on


def specific_word(code: str | None, status: str | None) -> str | None:
    """Choose the word that says most: the API puts it in either of two fields.

    Args:
        code: The field `code` of the body, or `None`.
        status: The field `status` of the body, or `None`.

    Returns:
        A word that names one reason if there is one, else `code`, else `status`.
    """
    for word in (code, status):
        if word in _SPECIFIC_WORDS:
            return word
    return code or status


def rate_limit_kind(code: str | None, status: str | None, type_: str | None) -> RateLimitKind:
    """Return the kind of a 429.

    Args:
        code: The field `code` of the body, or `None`.
        status: The field `status` of the body, or `None`.
        type_: The field `type` of the body, or `None`; it counts if both words are unknown.

    Returns:
        The kind, or `"unknown"`.
    """
    for kinds in (_SPECIFIC_KINDS, _GENERAL_KINDS):
        for word in (code, status, type_):
            if word in kinds:
                return kinds[word]
    return "unknown"
