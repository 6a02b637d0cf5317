"""From readings to findings that a mechanic can act on. Imports `ingest` only."""
