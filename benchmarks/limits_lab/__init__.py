"""The parts of `benchmarks/limits.py`: scenarios, servers real and simulated, clients, reports."""
