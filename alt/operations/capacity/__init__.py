"""What requests consume, and what they may."""
