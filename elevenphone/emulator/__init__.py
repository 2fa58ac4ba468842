"""The API on your machine, for demonstrations, tests and benchmarks.

`Emulator` answers with bodies and errors in the form that ElevenLabs sends. Its settings
switch faults and limits on. It has three routes:

- `GET /v1/convai/phone-numbers/{phone_number_id}`: one number;
- `GET /v1/convai/v2/phone-numbers`: one page of the numbers that match;
- `GET /v1/convai/phone-numbers`: all numbers that match, in one array.
"""

from elevenphone.emulator._emulator import Emulator
from elevenphone.emulator._latency import Latency
from elevenphone.emulator._stats import EmulatorStats, RecordedRequest

__all__ = ["Emulator", "EmulatorStats", "Latency", "RecordedRequest"]
