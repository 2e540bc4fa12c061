"""Whom a command asks: a server over HTTP, or this process on a data directory."""
