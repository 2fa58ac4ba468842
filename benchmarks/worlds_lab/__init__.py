"""What benchmarks/sabotage.py does to the client."""
