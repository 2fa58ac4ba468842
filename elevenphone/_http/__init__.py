"""The forms of `Transport`: what sends a request and reads its answer."""
