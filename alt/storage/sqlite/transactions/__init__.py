"""Transactions over several tables: begun and decided together, and given to every file."""
