"""Items in Amazon Ion, as AWS's exports hold them: one text a line, `$ion_1_0 {Item:{...}}`.

Sets are lists with an annotation (`$dynamodb_SS::["a"]`), numbers decimals, binaries blobs. See
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from alt.values.types import AttributeValue, Item

INSTALL = "this export is in Amazon Ion, which needs the amazon.ion package: pip install 'alt-dynamodb[ion]'"
_SETS = {"$dynamodb_SS": "SS", "$dynamodb_NS": "NS", "$dynamodb_BS": "BS"}


def require_ion() -> None:
    """Say how to install what reads Ion, where it is not there."""
    try:
        import amazon.ion.simpleion  # noqa: F401
    except ImportError:
        raise click.ClickException(INSTALL) from None


def read_ion_item(text: bytes) -> Item:
    """The item of one line. Raises ValueError, whose message says what is wrong."""
    from amazon.ion.exceptions import IonException
    from amazon.ion.simpleion import loads

    try:
        read = loads(text.decode())
    except (IonException, ValueError, RecursionError) as fault:
        raise ValueError(f"no Ion: {fault}") from None
    item: Any = read.get("Item") if hasattr(read, "items") else None
    if not hasattr(item, "items"):
        raise ValueError("no Ion struct with an Item")
    return {str(name): _value(value) for name, value in item.items()}


def _value(value: Any) -> AttributeValue:
    from amazon.ion.core import IonType

    kind = value.ion_type
    if kind is IonType.STRING:
        return {"S": str(value)}
    if kind in (IonType.DECIMAL, IonType.INT):
        return {"N": str(value)}
    if kind is IonType.BOOL:
        return {"BOOL": bool(value)}
    if kind is IonType.NULL:
        return {"NULL": True}
    if kind in (IonType.BLOB, IonType.CLOB):
        return {"B": _base64(value)}
    if kind is IonType.STRUCT:
        return {"M": {str(name): _value(each) for name, each in value.items()}}
    if kind is IonType.LIST:
        return _list(value)
    raise ValueError(f"an Ion {kind.name.lower()} is no value of DynamoDB's")


def _list(value: Any) -> AttributeValue:
    for annotation in value.ion_annotations:
        kind = _SETS.get(annotation.text)
        if kind is not None:
            return {kind: [_base64(each) if kind == "BS" else str(each) for each in value]}
    return {"L": [_value(each) for each in value]}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
