from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from elevenphone import decode
from elevenphone.emulator import Emulator
from elevenphone.models import ExotelPhoneNumber, PhoneNumber, SIPTrunkPhoneNumber, encode

OPENAPI = yaml.safe_load((Path(__file__).parent / "openapi.yaml").read_text(encoding="utf-8"))
ANY_NUMBER = "conversational_ai_phone_numbers_get_Response_200"
TWILIO = "GetPhoneNumberTwilioResponseModel"


def fits(document: dict[str, Any], schema: str) -> bool:
    reference = {"$ref": f"#/components/schemas/{schema}", "components": OPENAPI["components"]}
    return bool(Draft202012Validator(reference).is_valid(document))  # pyright: ignore[reportUnknownMemberType]


def as_sent(number: PhoneNumber) -> dict[str, Any]:
    return msgspec.json.decode(encode(number), type=dict[str, Any])


@pytest.fixture(scope="module")
def numbers() -> list[PhoneNumber]:
    emulator = Emulator(2_000)
    return [emulator.number(phone_number_id) for phone_number_id in emulator.ids]


def test_bodies_follow_the_specification(numbers: list[PhoneNumber]) -> None:
    for number in numbers[:500]:
        document = as_sent(number)
        if isinstance(number, ExotelPhoneNumber):  # newer than the specification, and shaped as Twilio's
            assert fits(document | {"provider": "twilio"}, TWILIO), document
        else:
            assert fits(document, ANY_NUMBER), document


def test_the_check_notices_a_body_that_violates_the_specification(numbers: list[PhoneNumber]) -> None:
    document = as_sent(next(number for number in numbers if isinstance(number, SIPTrunkPhoneNumber)))
    assert not fits(document | {"livekit_stack": "other"}, ANY_NUMBER)
    assert not fits(document | {"label": None}, ANY_NUMBER)


def test_nulls_are_explicit(numbers: list[PhoneNumber]) -> None:
    unassigned = next(number for number in numbers if number.assigned_agent is None)
    assert b'"assigned_agent":null' in encode(unassigned)


def test_bodies_decode_to_the_same_numbers(numbers: list[PhoneNumber]) -> None:
    assert [decode(encode(number)) for number in numbers] == numbers


def test_the_mixture_of_providers(numbers: list[PhoneNumber]) -> None:
    share = {name: count / len(numbers) for name, count in Counter(n.provider for n in numbers).items()}
    assert share == {
        "twilio": pytest.approx(0.55, abs=0.04),
        "sip_trunk": pytest.approx(0.35, abs=0.04),
        "exotel": pytest.approx(0.10, abs=0.03),
    }
    unassigned = sum(number.assigned_agent is None for number in numbers) / len(numbers)
    assert unassigned == pytest.approx(0.2, abs=0.04)


ODDITIES: dict[str, Callable[[PhoneNumber], bool]] = {
    "label ends in a space": lambda number: number.label.endswith(" "),
    "label in Devanagari": lambda number: any("\u0900" <= c <= "\u097f" for c in number.label),
    "label in Arabic": lambda number: any("\u0600" <= c <= "\u06ff" for c in number.label),
    "label in Katakana": lambda number: any("\u30a0" <= c <= "\u30ff" for c in number.label),
    "label in Cyrillic": lambda number: any("\u0400" <= c <= "\u04ff" for c in number.label),
    "label with an emoji": lambda number: any(ord(c) > 0xFFFF for c in number.label),
    "label with an ampersand": lambda number: "&" in number.label,
    "label with a hash": lambda number: "#" in number.label,
    "label with a plus": lambda number: "+" in number.label,
    "label with a percent sign": lambda number: "%" in number.label,
    "number without a plus": lambda number: not number.phone_number.startswith("+"),
    "Indian number": lambda number: number.phone_number.startswith("+91"),
    "no inbound": lambda number: not number.supports_inbound,
    "no outbound": lambda number: not number.supports_outbound,
    "agent with an environment": lambda n: (
        n.assigned_agent is not None and bool(n.assigned_agent.environment)
    ),
    "agent with a branch": lambda n: n.assigned_agent is not None and bool(n.assigned_agent.branch_id),
    "agent with neither": lambda n: (
        n.assigned_agent is not None
        and n.assigned_agent.environment is None
        and n.assigned_agent.branch_id is None
    ),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_oddities_occur(numbers: list[PhoneNumber], oddity: str) -> None:
    found = sum(map(ODDITIES[oddity], numbers))
    assert 0 < found < len(numbers)


def test_an_agent_answers_several_numbers(numbers: list[PhoneNumber]) -> None:
    agents = [number.assigned_agent for number in numbers if number.assigned_agent is not None]
    names = {agent.agent_id: agent.agent_name for agent in agents}
    assert 10 < len(names) <= 200
    assert all(agent.agent_name == names[agent.agent_id] for agent in agents)
    branches = {agent.branch_id: agent.agent_id for agent in agents if agent.branch_id is not None}
    assert all(a.branch_id is None or branches[a.branch_id] == a.agent_id for a in agents)
    assert len(branches) > len(set(branches.values()))  # some agents have two


def test_every_kind_of_trunk_occurs(numbers: list[PhoneNumber]) -> None:
    trunks = [number for number in numbers if isinstance(number, SIPTrunkPhoneNumber)]
    both = {(trunk.outbound_trunk is None, trunk.inbound_trunk is None) for trunk in trunks}
    assert len(both) == 4
    assert {trunk.livekit_stack for trunk in trunks} == {"standard", "static"}
    assert {trunk.store_sip_messages for trunk in trunks} == {True, False}
    assert {trunk.provider_config is None for trunk in trunks} == {True, False}
    outbound = [trunk.outbound_trunk for trunk in trunks if trunk.outbound_trunk is not None]
    assert {trunk.transport for trunk in outbound} == {"auto", "udp", "tcp", "tls"}
    assert {trunk.media_encryption for trunk in outbound} == {"disabled", "allowed", "required"}
    assert {bool(trunk.headers) for trunk in outbound} == {True, False}
    assert {bool(trunk.attributes_to_headers) for trunk in outbound} == {True, False}
    assert {trunk.username is None for trunk in outbound} == {True, False}
    assert {codec for t in outbound for codec in t.enabled_codecs} == {"G722/8000", "PCMU/8000", "PCMA/8000"}
    inbound = [trunk.inbound_trunk for trunk in trunks if trunk.inbound_trunk is not None]
    assert {trunk.allowed_numbers is None for trunk in inbound} == {True, False}
    assert {trunk.remote_domains is None for trunk in inbound} == {True, False}
    assert {trunk.has_auth_credentials for trunk in inbound} == {True, False}


def test_ids_of_three_ages() -> None:
    emulator = Emulator(5_000)
    lengths = Counter(len(phone_number_id.removeprefix("phnum_")) for phone_number_id in emulator.ids)
    assert set(lengths) == {26, 28, 20}
    assert lengths[26] > lengths[28] > lengths[20] > 0
    assert all(
        phone_number_id.startswith("phnum_") for phone_number_id in emulator.ids if len(phone_number_id) > 20
    )


@given(numbers=st.integers(1, 500), seed=st.integers(-(2**70), 2**70))
def test_ids_are_counted_distinct_and_the_seeds(numbers: int, seed: int) -> None:
    emulator, again = Emulator(numbers, seed=seed), Emulator(numbers, seed=seed)
    assert len(emulator.ids) == numbers
    assert len(emulator.unknown_ids) == max(1, numbers // 50)
    assert len({*emulator.ids, *emulator.unknown_ids}) == numbers + len(emulator.unknown_ids)
    assert (emulator.ids, emulator.unknown_ids) == (again.ids, again.unknown_ids)
    assert emulator.number(emulator.ids[-1]) == again.number(again.ids[-1])
    assert Emulator(numbers, seed=seed + 1).ids != emulator.ids


def test_only_known_ids_have_numbers() -> None:
    emulator = Emulator(10)
    with pytest.raises(KeyError):
        emulator.number(emulator.unknown_ids[0])
