"""The parts of a bulk run: how its lookups wait, equal ids, and the order of its results."""
