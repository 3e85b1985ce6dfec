"""From records to numbers: what was measured, compared, and what the figures show."""
