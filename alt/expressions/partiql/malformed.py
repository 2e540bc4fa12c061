"""The error that says a statement cannot be read."""

from __future__ import annotations

from alt.errors import ApiError, validation

UNEXPECTED_TERM = "Unexpected term"
UNEXPECTED_KEYWORD = "Unexpected keyword"
UNEXPECTED_OPERATOR = "Unexpected operator"
UNEXPECTED_TOKEN = "Unexpected token after expression"
INVALID_DOT = "Invalid path dot component"
NO_RIGHT_SIDE = "Missing right-hand side expression of infix operator"
NO_IDENTIFIER = "Expected identifier for simple path"
NO_TYPE_NAME = "Expected type name"
NO_MANIPULATION = "Expected data manipulation"


def malformed(problem: str) -> ApiError:
    """The error that says a statement cannot be read, and what of it."""
    return validation(f"Statement wasn't well formed, can't be processed: {problem}")
