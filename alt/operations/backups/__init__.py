"""Backups, point-in-time recovery, restores."""
