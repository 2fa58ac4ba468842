"""Look ElevenLabs phone numbers up by id: one inside an async service, or a million from a file."""

__version__ = "0.1.0"
