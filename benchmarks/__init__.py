"""How fast Liftwatch is, for anyone to measure: `python -m benchmarks.ingest`, `.latency`, `.outage`."""
