"""The default engine: tables in SQLite files. DESIGN.md beside this file says what was chosen and why."""
