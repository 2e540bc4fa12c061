"""One file for each command of `alt`."""
