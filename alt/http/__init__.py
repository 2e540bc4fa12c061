"""HTTP/1.1 as DynamoDB speaks it: parsing, answers, and the way from a target to its operation."""
