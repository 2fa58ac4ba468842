"""The work of the commands, but for `fetch`, which has a folder of its own."""
