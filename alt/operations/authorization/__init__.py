"""What a request asks to be allowed, in IAM's words: actions, resources, and what the conditions of policies look at."""
