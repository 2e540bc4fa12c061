"""Backups inside the database, and tables that are made of them or of a table's past."""
