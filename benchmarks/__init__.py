"""Speed of the engine beside its peers: `python -m benchmarks` runs every case."""
