"""The errors of the DynamoDB API: one exception class, and functions that build its instances.

An `ApiError` is an answer to the client, not a fault of the server. `type` is
the bare name an SDK dispatches on (`ValidationException`); the qualified name
put on the wire (`__type`) and the HTTP status follow from it.

The functions here build errors and raise nothing: `raise` is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

E = TypeVar("E", bound=Exception)

_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_VALIDATE = "com.amazon.coral.validate#"
_SERVICE = "com.amazon.coral.service#"

# Types that the service's front end answers, before DynamoDB proper sees the request.
_PREFIXES = {
    "ValidationException": _VALIDATE,
    "SerializationException": _SERVICE,
    "UnknownOperationException": _SERVICE,
    "AccessDeniedException": _SERVICE,
    "UnrecognizedClientException": _SERVICE,
    "MissingAuthenticationTokenException": _SERVICE,
    "IncompleteSignatureException": _SERVICE,
    "InvalidSignatureException": _SERVICE,
    "ThrottlingException": _SERVICE,
}

_STATUS = {"InternalServerError": 500, "ServiceUnavailable": 503, "UnknownOperationException": 400}

_CAPITAL_MESSAGE = ("SerializationException", "AccessDeniedException", "TransactionCanceledException")

_ENVELOPE = "1 validation error detected: "


class ForeseenError(Exception):
    """What a request may come to in the ordinary course: none is a bug, and where it was raised is of no interest."""


def without_trace(error: E) -> E:
    """An error that is to be kept, by a future or beside a result.

    Its trace, and that of the error it was raised beside, hold the frames that hold the error: all of them, and the
    items they know, would stay until the garbage collector comes. Only a bug keeps its trace.
    """
    if isinstance(error, ForeseenError):
        error.__traceback__ = error.__context__ = None
    return error


class ApiError(ForeseenError):
    """An error answer: its type, its text, and further members of its body.

    `members` maps a member's name (`Item`, `CancellationReasons`) to its JSON
    text, so that stored items pass through undecoded. `reasons` are the codes of what cancelled a transaction.
    """

    reasons: Sequence[str] = ()

    def __init__(
        self, error_type: str, message: str | None = None, members: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.type = error_type
        self.message = message
        self.members = members

    @property
    def qualified_type(self) -> str:
        """The `__type` member as it stands on the wire."""
        return _PREFIXES.get(self.type, _DYNAMODB) + self.type

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return _STATUS.get(self.type, 400)

    @property
    def message_key(self) -> str:
        """`message`, which a few types spell `Message`."""
        return "Message" if self.type in _CAPITAL_MESSAGE else "message"

    def enveloped(self) -> ApiError:
        """The same problem as Put, Update and DeleteItem word it."""
        if self.type != "ValidationException" or self.message is None:
            return self
        return ApiError(self.type, _ENVELOPE + self.message, self.members)


def validation(message: str) -> ApiError:
    """The error that says a request is not valid: most of what is refused."""
    return ApiError("ValidationException", message)


def invalid_parameters(problem: str) -> ApiError:
    """The error that says a request is not valid, under DynamoDB's most common opening."""
    return ApiError("ValidationException", "One or more parameter values were invalid: " + problem)


def serialization(message: str) -> ApiError:
    """The error that says a body cannot be read as a request."""
    return ApiError("SerializationException", message)


def unknown_operation() -> ApiError:
    """The error that says there is no such operation."""
    return ApiError("UnknownOperationException")


def resource_not_found(message: str = "Requested resource not found") -> ApiError:
    """The error that says a table, an index, a stream or the like is not there."""
    return ApiError("ResourceNotFoundException", message)


def table_not_found(table: str) -> ApiError:
    """The error that says a table is not there, as DescribeTable, UpdateTable and DeleteTable word it."""
    return resource_not_found(f"Requested resource not found: Table: {table} not found")


def resource_in_use(message: str) -> ApiError:
    """The error that says a table or an index is there already, or is being changed."""
    return ApiError("ResourceInUseException", message)


def backup_not_found(arn: str) -> ApiError:
    """The error that says a backup is not there."""
    return ApiError("BackupNotFoundException", f"Backup not found: {arn}")


def backup_in_use(message: str) -> ApiError:
    """The error that says a backup is being taken or restored."""
    return ApiError("BackupInUseException", message)


def no_such_table(table: str) -> ApiError:
    """The error that says a table is not there, as operations on backups and on continuous backups word it."""
    return ApiError("TableNotFoundException", f"Table not found: {table}")


def table_already_exists(table: str) -> ApiError:
    """The error that says the target of a restore exists."""
    return ApiError("TableAlreadyExistsException", f"Table already exists: {table}")


def table_in_use(message: str) -> ApiError:
    """The error that says the target of a restore is being restored."""
    return ApiError("TableInUseException", message)


def limit_exceeded(message: str) -> ApiError:
    """The error that says a quota would be exceeded."""
    return ApiError("LimitExceededException", message)


def item_collection_too_large() -> ApiError:
    """The error that says an item collection would be over its limit."""
    return ApiError("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")


def throttled(error_type: str, message: str, reason: str, resource: str) -> ApiError:
    """The error that says a request is too much.

    `reason` is as `TableReadProvisionedThroughputExceeded`, `resource` the ARN of whose capacity it is.
    """
    member = "throttlingReasons" if error_type == "ThrottlingException" else "ThrottlingReasons"
    reasons = f'[{{"reason":"{reason}","resource":"{resource}"}}]'
    return ApiError(error_type, message, {member: reasons})


def condition_failed(item: str | None = None) -> ApiError:
    """The error that says a condition is false. `item`: JSON text of the stored item, when it was asked for."""
    members = None if item is None else {"Item": item}
    return ApiError("ConditionalCheckFailedException", "The conditional request failed", members)


def duplicate_item() -> ApiError:
    """The error that says an item to be inserted is there already."""
    return ApiError("DuplicateItemException", "Duplicate primary key exists in table")


def transaction_cancelled(codes: Sequence[str], reasons: str) -> ApiError:
    """The error that says a transaction was cancelled.

    `codes` in the order of the actions; `reasons`: JSON text of the CancellationReasons.
    """
    message = (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    )
    error = ApiError("TransactionCanceledException", message, {"CancellationReasons": reasons})
    error.reasons = codes
    return error


def transaction_conflict() -> ApiError:
    """The error that says a transaction is at work on the item."""
    return ApiError("TransactionConflictException", "Transaction is ongoing for the item")


def idempotent_parameter_mismatch() -> ApiError:
    """The error that says a ClientRequestToken came with another request before."""
    return ApiError(
        "IdempotentParameterMismatchException",
        "Request parameters do not match those of the first request with this ClientRequestToken",
    )


def transaction_in_progress() -> ApiError:
    """The error that says the first request with this token is still being done."""
    return ApiError(
        "TransactionInProgressException",
        "The transaction with the given request token is already in progress.",
    )


def internal_server_error() -> ApiError:
    """The error that says the server failed; what happened is for its log."""
    return ApiError("InternalServerError", "The request processing has failed because of an unknown error.")


def disk_full() -> ApiError:
    """The error that says the disk is full: an InternalServerError, which SDKs try again, for the operator to read."""
    return ApiError("InternalServerError", "The disk that holds the table is full.")
