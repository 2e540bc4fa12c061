"""Tables in SQLite files. DESIGN.md beside this file says what was chosen and why.

Operations see `store.Store` (the tables by name) and `table.Table` (one table's
items); nothing above this package knows SQLite.
"""
