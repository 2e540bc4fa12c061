"""What every storage engine deals in: definitions, keys and ranges of keys, stored items, changes. Knows no SQL."""
