"""The parts of the speed benchmarks: a server, the clients that are compared, rounds, reports."""
