"""Alt: the DynamoDB API on SQLite files, in one process."""

__version__ = "0.1.0"
