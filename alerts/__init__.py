"""Who must know what, once, until it is over; and who must do what. Imports `analytics` and `ingest`."""
