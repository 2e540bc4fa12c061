"""Whole copies of tables: backups, restores, recovery, snapshots."""
