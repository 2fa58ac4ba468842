"""The phone numbers that the emulator has, made from a seed."""

from __future__ import annotations

import zlib
from random import Random
from typing import NamedTuple

from elevenphone import models
from elevenphone.emulator import _samples as samples

_LOWER = "0123456789abcdefghjkmnpqrstvwxyz"
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TO_LOWER = bytes(ord(_LOWER[byte % len(_LOWER)]) for byte in range(256))
_TO_ALPHANUMERIC = bytes(ord(_ALPHANUMERIC[byte % len(_ALPHANUMERIC)]) for byte in range(256))

_CACHED_BODIES = 4_096
_NUMBERS_TO_ONE_AGENT = 10
_MOST_AGENTS = 200
_IDS_TO_ONE_UNKNOWN = 50


class _Agent(NamedTuple):
    agent_id: str
    agent_name: str
    branch_ids: tuple[str, ...]


class Dataset:
    """Ids and agents, made at once, and numbers, made when somebody needs them.

    Args:
        numbers: How many numbers there are.
        seed: What they are made from.

    Attributes:
        ids: The ids of the numbers.
        unknown_ids: Ids that look like them and have no number.
    """

    def __init__(self, numbers: int, seed: int) -> None:
        made = _ids(numbers + max(1, numbers // _IDS_TO_ONE_UNKNOWN), Random(f"{seed}/ids"))
        self.ids = tuple(made[:numbers])
        self.unknown_ids = tuple(made[numbers:])
        self._known = frozenset(self.ids)
        self._seed = seed
        self._agents = _agents(numbers, Random(f"{seed}/agents"))
        self._bodies: dict[str, bytes] = {}

    def __contains__(self, phone_number_id: str) -> bool:
        return phone_number_id in self._known

    def number(self, phone_number_id: str) -> models.PhoneNumber:
        """Make the number of an id, the same each time.

        Raises:
            KeyError: The id is not known.
        """
        if phone_number_id not in self._known:
            raise KeyError(phone_number_id)
        random = Random(zlib.crc32(phone_number_id.encode()) << 32 ^ self._seed)
        kind = random.random()
        agent = None if random.random() < 0.2 else _assigned(random.choice(self._agents), random)
        if kind < 0.55:
            pattern = random.choice(samples.NUMBER_PATTERNS)
            return _imported(models.TwilioPhoneNumber, phone_number_id, pattern, agent, random)
        if kind < 0.9:
            return _sip_trunk(phone_number_id, agent, random)
        return _imported(models.ExotelPhoneNumber, phone_number_id, samples.EXOTEL_PATTERN, agent, random)

    def body(self, phone_number_id: str) -> bytes:
        """Make the number of an id as it goes over the wire.

        Raises:
            KeyError: The id is not known.
        """
        body = self._bodies.get(phone_number_id)
        if body is None:
            body = models.encode(self.number(phone_number_id))
            if len(self._bodies) >= _CACHED_BODIES:
                del self._bodies[next(iter(self._bodies))]
            self._bodies[phone_number_id] = body
        return body


def _ids(count: int, random: Random) -> list[str]:
    """Make ids of the three forms that the API has had, all at once, since there may be a million."""
    kinds = random.randbytes(count)
    lower = random.randbytes(count * 27).translate(_TO_LOWER).decode()
    alphanumeric = random.randbytes(count * 20).translate(_TO_ALPHANUMERIC).decode()
    made: list[str] = []
    for index, kind in enumerate(kinds):
        if kind < 10:
            made.append(alphanumeric[index * 20 : index * 20 + 20])
        else:
            shard = f"{kind % 10}1" if kind < 50 else ""
            century = "j" if kind % 2 else "k"
            made.append(f"phnum_{shard}01{century}{lower[index * 27 : index * 27 + 23]}")
    return made


def _imported(
    model: type[models.TwilioPhoneNumber | models.ExotelPhoneNumber],
    phone_number_id: str,
    pattern: str,
    agent: models.AssignedAgent | None,
    random: Random,
) -> models.PhoneNumber:
    return model(
        phone_number=_phone_number(pattern, random),
        label=_label(random),
        phone_number_id=phone_number_id,
        supports_inbound=random.random() < 0.95,
        supports_outbound=random.random() < 0.9,
        assigned_agent=agent,
    )


def _sip_trunk(
    phone_number_id: str, agent: models.AssignedAgent | None, random: Random
) -> models.SIPTrunkPhoneNumber:
    direction = random.choices(("both", "outbound", "inbound", "neither"), (45, 25, 20, 10))[0]
    outbound = _outbound_trunk(random) if direction in {"both", "outbound"} else None
    inbound = _inbound_trunk(random) if direction in {"both", "inbound"} else None
    return models.SIPTrunkPhoneNumber(
        phone_number=_phone_number(random.choice(samples.NUMBER_PATTERNS), random),
        label=_label(random),
        phone_number_id=phone_number_id,
        supports_inbound=direction != "outbound",
        supports_outbound=direction != "inbound",
        assigned_agent=agent,
        livekit_stack=random.choice(("standard", "standard", "static")),
        store_sip_messages=random.random() < 0.8,
        provider_config=outbound if random.random() < 0.3 else None,
        outbound_trunk=outbound,
        inbound_trunk=inbound,
    )


def _outbound_trunk(random: Random) -> models.OutboundTrunk:
    username = _username(random)
    return models.OutboundTrunk(
        address=random.choice(samples.OUTBOUND_HOSTS),
        transport=random.choice(("auto", "udp", "tcp", "tls")),
        media_encryption=random.choice(("disabled", "allowed", "required")),
        has_auth_credentials=username is not None or random.random() < 0.2,
        headers=_some_pairs(samples.HEADERS, random),
        attributes_to_headers=_some_pairs(samples.ATTRIBUTES, random),
        username=username,
        has_outbound_trunk=random.random() < 0.8,
        enabled_codecs=_some(samples.CODECS, random),
    )


def _inbound_trunk(random: Random) -> models.InboundTrunk:
    username = _username(random)
    allowed = tuple(
        _phone_number(random.choice(samples.NUMBER_PATTERNS), random) for _ in range(random.randrange(4))
    )
    return models.InboundTrunk(
        allowed_addresses=_some(samples.ADDRESSES, random),
        allowed_numbers=None if random.random() < 0.5 else allowed,
        media_encryption=random.choice(("disabled", "allowed", "required")),
        has_auth_credentials=username is not None or random.random() < 0.2,
        username=username,
        remote_domains=None if random.random() < 0.6 else _some(samples.REMOTE_DOMAINS, random),
        attributes_to_headers=_some_pairs(samples.ATTRIBUTES, random),
    )


def _phone_number(pattern: str, random: Random) -> str:
    digits = "".join(str(random.randrange(10)) if character == "#" else character for character in pattern)
    return digits.removeprefix("+") if random.random() < 0.03 else digits


def _label(random: Random) -> str:
    label = random.choice(samples.LABELS)
    if random.random() < 0.5:
        label = f"{label} {random.randrange(1, 100)}"
    return f"{label} " if random.random() < 0.06 else label


def _agents(numbers: int, random: Random) -> list[_Agent]:
    """Make the agents of a workspace; each answers some ten numbers or more."""
    count = min(_MOST_AGENTS, max(1, numbers // _NUMBERS_TO_ONE_AGENT))
    return [_agent(random) for _ in range(count)]


def _agent(random: Random) -> _Agent:
    older = random.random() < 0.3
    return _Agent(
        agent_id=_text(20, _ALPHANUMERIC, random) if older else f"agent_01{_text(24, _LOWER, random)}",
        agent_name=random.choice(samples.AGENT_NAMES),
        branch_ids=tuple(f"agtbrch_01{_text(24, _LOWER, random)}" for _ in range(random.randint(1, 2))),
    )


def _assigned(agent: _Agent, random: Random) -> models.AssignedAgent:
    return models.AssignedAgent(
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        environment=None if random.random() < 0.6 else random.choice(samples.ENVIRONMENTS),
        branch_id=None if random.random() < 0.7 else random.choice(agent.branch_ids),
    )


def _username(random: Random) -> str | None:
    return None if random.random() < 0.5 else random.choice(samples.USERNAMES)


def _text(length: int, alphabet: str, random: Random) -> str:
    return "".join(random.choices(alphabet, k=length))


def _some(values: tuple[str, ...], random: Random) -> tuple[str, ...]:
    return tuple(random.sample(values, random.randint(1, len(values))))


def _some_pairs(pairs: tuple[tuple[str, str], ...], random: Random) -> dict[str, str]:
    return {} if random.random() < 0.5 else dict(random.sample(pairs, random.randint(1, len(pairs))))
