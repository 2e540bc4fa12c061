"""What `alt sql` is made of: scripts, what is done with them, and how it is shown."""
