"""One launch, one JSON file: built, written whole or not at all, read back, and migrated as it ages."""
