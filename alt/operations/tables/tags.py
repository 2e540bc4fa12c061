"""TagResource, UntagResource, ListTagsOfResource, and the rules that CreateTable's Tags share.

A table's tags stand in its definition's settings, in the order they were first given.
Texts are as recorded from the service, where a change of tags takes a second or two
and locks out the next; here it is done when it is answered.
"""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alt.config import WRITE_ISOLATION_TAG, WRITE_ISOLATIONS
from alt.errors import invalid_parameters, resource_not_found, validation
from alt.operations.arns import table_name
from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body
from alt.storage.engine import Answer, then
from alt.storage.model.definition import TableDefinition

if TYPE_CHECKING:
    from alt.validation.requests import ListTagsOfResourceInput, Tag, TagResourceInput, UntagResourceInput

MAX_TAGS = 50  # of one resource, and in one request
MAX_KEY_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 256
# The service gives all the tags that a table can have in one page.
TAGS_A_PAGE = MAX_TAGS

_RESERVED_PREFIX = "aws:"
_PUNCTUATION = frozenset("+-=._:/@")
_LETTERS_NUMBERS_SEPARATORS = "LNZ"  # first letters of Unicode categories

_TOO_MANY = "Number of Tags exceed the current limit for the provided ResourceArn"


def tag_resource(context: Context, request: TagResourceInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """TagResource (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TagResource.html)."""
    name = _table_name(request["ResourceArn"])
    tags = request["Tags"]
    if not tags:
        raise validation("Atleast one Tag needs to be provided as Input.")
    check_tags(tags)
    definition = _tagged(context, name, request["ResourceArn"])
    merged = _by_key(tags_of(definition)) | _by_key(tags)
    if len(merged) > MAX_TAGS:
        raise validation(_TOO_MANY)
    return _store(context, definition, merged)


def untag_resource(context: Context, request: UntagResourceInput, caller: Caller) -> Answer[bytes]:  # noqa: ARG001
    """UntagResource (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UntagResource.html).

    Keys that are not there are fine.
    """
    name = _table_name(request["ResourceArn"])
    keys = request["TagKeys"]
    if not keys:
        raise validation("Atleast one Tag Key needs to be provided as Input.")
    if len(keys) > MAX_TAGS:
        raise validation(_TOO_MANY)
    for key in keys:
        _check_key(key)
    definition = _tagged(context, name, request["ResourceArn"])
    left = _by_key(tag for tag in tags_of(definition) if tag["Key"] not in keys)
    return _store(context, definition, left)


def list_tags_of_resource(context: Context, request: ListTagsOfResourceInput, caller: Caller) -> bytes:  # noqa: ARG001
    """ListTagsOfResource (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTagsOfResource.html).

    The tags by key. A NextToken is the key that the page before ended with.
    """
    name = _table_name(request["ResourceArn"])
    token = request.get("NextToken")
    after = "" if token is None else _key_of(token)
    definition = _tagged(context, name, request["ResourceArn"])
    tags = sorted((tag for tag in tags_of(definition) if tag["Key"] > after), key=lambda tag: tag["Key"])
    answer: dict[str, Any] = {"Tags": tags[:TAGS_A_PAGE]}
    if len(tags) > TAGS_A_PAGE:
        answer["NextToken"] = _token(tags[TAGS_A_PAGE - 1]["Key"])
    return body(answer)


def tags_of(definition: TableDefinition) -> Sequence[Tag]:
    tags: list[Tag] = definition.settings.get("Tags", [])
    return tags


def check_tags(tags: Sequence[Tag]) -> None:
    """Refuse tags that break a rule, by themselves or together."""
    for tag in tags:
        _check_key(tag.get("Key"))
        _check_value(tag.get("Value"))
    for key, count in Counter(tag["Key"] for tag in tags).items():
        if count > 1:
            raise validation(f"Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}")
    if len(tags) > MAX_TAGS:
        raise validation(_TOO_MANY)
    for tag in tags:
        if tag["Key"] == WRITE_ISOLATION_TAG and tag["Value"] not in WRITE_ISOLATIONS:
            raise validation(
                f"Incorrect write isolation tag {tag['Value']}. Allowed values: {', '.join(WRITE_ISOLATIONS)}"
            )


def _check_key(key: str | None) -> None:
    if not key or len(key) > MAX_KEY_CHARACTERS or not _is_text_of_tags(key):
        raise validation(f"The Tag Key provided is invalid, Key: {'null' if key is None else key}")
    if key.lower().startswith(_RESERVED_PREFIX):
        raise validation(f"Tag Key cannot be prefixed with aws:, Key: {key}")


def _check_value(value: str | None) -> None:
    if value is None or len(value) > MAX_VALUE_CHARACTERS or not _is_text_of_tags(value):
        raise validation(f"The Tag Value provided is invalid, Value: {'null' if value is None else value}")


def _is_text_of_tags(text: str) -> bool:
    """Letters, numbers and spaces of any script, and a little punctuation."""
    return all(
        character in _PUNCTUATION or unicodedata.category(character)[0] in _LETTERS_NUMBERS_SEPARATORS
        for character in text
    )


def _table_name(arn: str) -> str:
    """The table that a ResourceArn names."""
    check_arn(arn)
    return table_name(arn)


def check_arn(arn: str) -> None:
    """Refuse a ResourceArn that is of no table and no stream."""
    if not arn.startswith("arn:"):
        raise invalid_parameters(f"ARNs must start with 'arn:': {arn}")
    service = arn.split(":", 3)[2:3]
    if service != ["dynamodb"] or "/backup/" in arn:
        raise invalid_parameters(f"Provided Arn is not a DynamoDB resource arn: {arn}")
    if "/index/" in arn:
        raise invalid_parameters(
            f"Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}"
        )


def _tagged(context: Context, name: str, arn: str) -> TableDefinition:
    definition = context.engine.definition(name)
    if definition is None:
        raise resource_not_found(f"Requested resource not found: ResourcArn: {arn} not found")
    return definition


def _by_key(tags: Iterable[Tag]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _store(context: Context, definition: TableDefinition, tags: dict[str, str]) -> Answer[bytes]:
    """Answers nothing, as both operations do."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    if listed == tags_of(definition):
        return b""
    changed = replace(definition, settings=definition.settings | {"Tags": listed})
    return then(context.engine.redefine(changed), lambda _: b"")


def _token(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def _key_of(token: str) -> str:
    try:
        return urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise validation("The provided NextToken is invalid") from None
