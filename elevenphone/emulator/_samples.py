"""What the sample numbers are made of: fictional ranges, names in several scripts."""

from __future__ import annotations

LABELS = (
    "Customer Support",
    "Main line",
    "Sales – outbound",
    "Billing & collections",
    "Night shift + weekends",
    "Restaurant reservations",
    "Front desk",
    "Recepción Málaga",
    "Kundenservice München",
    "Standard téléphonique",
    "ग्राहक सहायता",
    "बिक्री विभाग",
    "خدمة العملاء",
    "المبيعات – الرياض",
    "カスタマーサポート",
    "東京オフィス 代表",
    "Служба поддержки",
    "Отдел продаж",
    "☎️ Hotline 24/7",
    "🚀 Launch campaign: 20% off",
    "Clinic 🏥 appointments",
    'The "VIP" line',
    "staging #2 / do not call",
)

AGENT_NAMES = (
    "Support agent",
    "Receptionist",
    "Lead qualifier",
    "Appointment booking v2",
    "Agente de reservas",
    "Terminassistent",
    "सहायक",
    "مساعد الحجز",
    "予約アシスタント",
    "Оператор",
    "Concierge 🛎️",
)

ENVIRONMENTS = ("production", "staging", "development")

# Each `#` becomes a digit. These ranges are set aside for fiction, or never assigned.
NUMBER_PATTERNS = (
    "+121255501##",
    "+131255501##",
    "+141555501##",
    "+161755501##",
    "+151255501##",
    "+141655501##",
    "+442079460###",
    "+447700900###",
    "+493023125###",
    "+33199003###",
    "+6127010####",
)
EXOTEL_PATTERN = "+911111######"

CODECS = ("G722/8000", "PCMU/8000", "PCMA/8000")
OUTBOUND_HOSTS = (
    "sip.example.com",
    "pstn.trunk.example.net",
    "sbc-1.voice.example.org:5061",
    "203.0.113.24",
    "[2001:db8::5060]",
)
REMOTE_DOMAINS = ("sbc.example.com", "sip.example.net", "edge.voice.example.org")
ADDRESSES = ("0.0.0.0/0", "192.0.2.0/24", "198.51.100.17", "203.0.113.128/25", "2001:db8:5060::/48")
USERNAMES = ("trunk-user", "elevenlabs", "acme_pbx", "1001", "josé")
HEADERS = (
    ("X-Tenant", "acme"),
    ("X-Campaign", "spring"),
    ("P-Asserted-Identity", "<sip:+12125550100@sip.example.com>"),
    ("X-Note", "日本語"),
)
ATTRIBUTES = (
    ("customer_id", "X-Customer-Id"),
    ("ticket", "X-Ticket"),
    ("language", "X-Language"),
)
