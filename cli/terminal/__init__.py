"""What commands show to people, and how."""
