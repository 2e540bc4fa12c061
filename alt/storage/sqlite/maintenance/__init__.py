"""What is done to a table's file beside its requests: building, expiring, trimming, checking, repairing."""
