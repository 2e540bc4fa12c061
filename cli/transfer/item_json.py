"""Items as JSON texts: DynamoDB's, which names each value's type, and plain JSON, which loses nothing either.

Plain JSON has JSON's own types: texts, numbers with all their digits, true and false, null, arrays for lists, objects for
maps. What JSON has no type for is an object with one member:

    {"$B": "YmFzZTY0"}   {"$SS": ["a"]}   {"$NS": [1, 2.5]}   {"$BS": ["YmFzZTY0"]}

and a map that would look like one of these, or like this, is {"$M": {...}}. An item itself is never taken for one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ujson

from alt.values.json import dumps, has_broken_text
from alt.values.types import AttributeValue, Item

TYPES = frozenset(("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"))


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def read_item(text: str | bytes, *, plain: bool) -> Item:
    """The item, map of values or key that a text is. Raises ValueError, whose message says what is wrong with it."""
    read = parsed(text, plain=plain)
    if not plain:
        return wire_item(read)
    if not isinstance(read, dict):
        raise ValueError("no JSON object")
    return _values(read)


def wire_item(read: Any) -> Item:
    """What was read, if it is DynamoDB JSON. Raises ValueError as `read_item` does."""
    if not isinstance(read, dict):
        raise ValueError("no JSON object")
    for name, value in read.items():
        if not isinstance(value, dict) or len(value) != 1 or not TYPES.issuperset(value):
            raise ValueError(
                f'{dumps(name)} is no value like {{"S": "text"}}: --plain takes JSON\'s own types'
            )
    return read


def write_item(item: Item, *, plain: bool) -> str:
    """The item as one line."""
    return _object(item) if plain else dumps(item)


def read_value(text: str) -> AttributeValue:
    """One value of plain JSON. Raises ValueError as `read_item` does."""
    return _value(parsed(text, plain=True))


def write_value(value: AttributeValue) -> str:
    """The value in plain JSON."""
    return _written(value)


def parsed(text: str | bytes, *, plain: bool) -> Any:
    """What a text is as JSON, numbers as they are written if it is `plain`. Raises ValueError as `read_item` does."""
    try:
        read = _plain(text) if plain else ujson.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("no UTF-8 text") from None
    except ValueError as fault:
        raise ValueError(f"no JSON: {fault}") from None
    raw = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if has_broken_text(raw, read):
        raise ValueError("no UTF-8 text: half a surrogate pair")
    return read


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


# Made once: to make it takes as long as to read a short item.
_PLAIN = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_no_constant)


def _plain(text: str | bytes) -> Any:
    return _PLAIN.decode(text if isinstance(text, str) else text.decode())


def _values(plain: dict[str, Any]) -> Item:
    """Those of a map. Most values are texts, so these take no call."""
    return {name: {"S": value} if type(value) is str else _value(value) for name, value in plain.items()}


def _value(plain: Any) -> AttributeValue:
    kind = type(plain)
    if kind is str:
        return {"S": plain}
    if kind is _Number:
        return {"N": str(plain)}
    if kind is dict:
        return _map(plain)
    if kind is list:
        return {"L": [_value(each) for each in plain]}
    return {"NULL": True} if plain is None else {"BOOL": plain}


def _map(plain: dict[str, Any]) -> AttributeValue:
    if len(plain) == 1:
        ((name, content),) = plain.items()
        if name in _MARKED:
            return _MARKED[name](content)
    return {"M": _values(plain)}


def _binary(content: Any) -> AttributeValue:
    if type(content) is not str:
        raise ValueError('"$B" takes base64 text')
    return {"B": content}


def _set(kind: str, member: type[str], what: str) -> Callable[[Any], AttributeValue]:
    def read(content: Any) -> AttributeValue:
        if not isinstance(content, list) or not all(type(each) is member for each in content):
            raise ValueError(f'"${kind}" takes an array of {what}')
        return {kind: [str(each) for each in content]}

    return read


def _escaped(content: Any) -> AttributeValue:
    if not isinstance(content, dict):
        raise ValueError('"$M" takes an object')
    return {"M": _values(content)}


_MARKED: dict[str, Callable[[Any], AttributeValue]] = {
    "$B": _binary,
    "$SS": _set("SS", str, "texts"),
    "$NS": _set("NS", _Number, "numbers"),
    "$BS": _set("BS", str, "base64 texts"),
    "$M": _escaped,
}


def _written(value: AttributeValue) -> str:
    ((kind, content),) = value.items()
    if kind == "N":
        number: str = content
        return number
    if kind == "NULL":
        return "null"
    if kind == "M":
        text = _object(content)
        return f'{{"$M":{text}}}' if len(content) == 1 and _MARKED.keys() >= content.keys() else text
    if kind == "L":
        return f"[{','.join(map(_written, content))}]"
    if kind == "NS":
        return f'{{"$NS":[{",".join(content)}]}}'
    if kind in ("B", "SS", "BS"):
        return f'{{"${kind}":{dumps(content)}}}'
    return dumps(content)


def _object(item: Item) -> str:
    return "{" + ",".join(f"{dumps(name)}:{_written(value)}" for name, value in item.items()) + "}"
