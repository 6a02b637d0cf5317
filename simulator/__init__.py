"""Buildings full of lifts that only speak MQTT. Imports the wire contract of `ingest` and nothing else of ours."""
