"""The work of `elevenphone fetch`."""
