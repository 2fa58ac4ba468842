"""One lookup as a value: what `get` shows, and how `fetch` asks for its first id."""

from __future__ import annotations

import time

from elevenphone import PhoneNumberClient
from elevenphone.cli.show.verdicts import telephone_number_error
from elevenphone.errors import ConfigurationError, ElevenPhoneError
from elevenphone.lookups import Failed, Found, Lookup


async def look_up(client: PhoneNumberClient, phone_number_id: str, index: int = 0) -> Lookup:
    """Look one id up within the client's own deadline, where a bulk run would wait for an outage to end.

    Args:
        client: The client.
        phone_number_id: The id.
        index: Its position in the input.

    Returns:
        What became of it.

    Raises:
        ConfigurationError: The client is closed.
    """
    if (refusal := telephone_number_error(phone_number_id)) is not None:
        return Failed(index, phone_number_id, 0, 0.0, refusal)
    started = time.perf_counter()
    try:
        answer = await client.get_raw(phone_number_id)
    except ConfigurationError:
        raise
    except ElevenPhoneError as error:
        return Failed(index, phone_number_id, len(error.history), time.perf_counter() - started, error)
    try:
        return Found(index, phone_number_id, answer.attempts, answer.elapsed, answer.decode())
    except ElevenPhoneError as error:
        return Failed(index, phone_number_id, answer.attempts, answer.elapsed, error)
