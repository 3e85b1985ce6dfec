"""Random: updates of a table in no order at all (GUPS)."""
