"""The SQL that creates Alt's files, read with `importlib.resources`."""
