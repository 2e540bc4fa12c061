"""Storage: the face that operations see, the model it speaks in, and the engines behind it."""
