"""What the server answers: bodies of the size and form of the real API's, half Twilio, half SIP trunk.

An id tells which body it has, so that a server needs no table of them and there are as many as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

PATH = "/v1/convai/phone-numbers/"
API_KEY = "sk_for_the_benchmarks_alone_0123456789abcdef"
MARK = "@"
"""Where the id stands in a template."""

_COMMON = (
    '"phone_number_id":"@","supports_inbound":true,"supports_outbound":true,"assigned_agent":'
    '{"agent_id":"agent_01k2m8qp4xe5ybvj7w9r3t6hdn","agent_name":"Support agent","environment":"production",'
    '"branch_id":null}'
)
_TRUNK = (
    '{"address":"sip.example.com:5061","transport":"tls","media_encryption":"allowed","headers":'
    '{"X-Tenant":"acme"},"attributes_to_headers":{"customer_id":"X-Customer-Id"},"has_auth_credentials":true,'
    '"username":"trunk-user","has_outbound_trunk":true,"enabled_codecs":["G722/8000","PCMU/8000","PCMA/8000"]}'
)
_SIP = (
    f'"livekit_stack":"standard","store_sip_messages":true,"provider_config":{_TRUNK},"outbound_trunk":{_TRUNK},'
    '"inbound_trunk":{"allowed_addresses":["192.0.2.0/24","198.51.100.17"],"allowed_numbers":["+12125550100"],'
    '"media_encryption":"allowed","has_auth_credentials":false,"username":null,"remote_domains":'
    '["sbc.example.com"],"attributes_to_headers":{}}'
)

TWILIO = f'{{"provider":"twilio","phone_number":"+12125550142","label":"Customer support",{_COMMON}}}'
SIP_TRUNK = f'{{"provider":"sip_trunk","phone_number":"+442079460123","label":"Sales",{_COMMON},{_SIP}}}'

KINDS = {
    "Twilio": TWILIO,
    "Exotel": f'{{"provider":"exotel","phone_number":"+911111222333","label":"Front desk",{_COMMON}}}',
    "SIP trunk": SIP_TRUNK,
    "unknown provider": f'{{"provider":"new","phone_number":"+12125550142","label":"New",{_COMMON},"sku":1}}',
    "no provider": f'{{"phone_number":"+12125550142","label":"Old",{_COMMON}}}',
}
"""By name, a template of each kind that a decoder may meet."""
KNOWN = ("Twilio", "Exotel", "SIP trunk")

TWILIO_PREFIX, SIP_PREFIX = "phnum_01t", "phnum_01s"


def id_at(index: int) -> str:
    """Make an id: even ones are Twilio's, odd ones are SIP trunks'."""
    return f"{SIP_PREFIX if index % 2 else TWILIO_PREFIX}{index:023d}"


def ids(start: int, count: int) -> Iterator[str]:
    """Make `count` ids, one at a time."""
    return map(id_at, range(start, start + count))


def body(template: str, index: int = 0) -> bytes:
    """Make the body of an id from a template."""
    return template.replace(MARK, id_at(index)).encode()
