"""The API on loopback, for demonstrations, tests and benchmarks.

`Emulator` answers `GET /v1/convai/phone-numbers/{phone_number_id}` with bodies
and errors of the shapes that ElevenLabs sends, and can be told what to do wrong.
"""

from elevenphone.emulator._emulator import Emulator
from elevenphone.emulator._latency import Latency
from elevenphone.emulator._stats import EmulatorStats, RecordedRequest

__all__ = ["Emulator", "EmulatorStats", "Latency", "RecordedRequest"]
