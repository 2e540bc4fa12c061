"""The engine beyond one machine: any database that speaks PostgreSQL's protocol. See DESIGN.md."""
