"""The JSON types of a request: the walk that words what is wrong, and irons out what is only unusual.

The service reads the body in its order and answers the first value of the wrong type with a
SerializationException that names no member. Its text follows from what was given and what was
expected, recorded from the service:

* a list: `Unrecognized collection type` and the expected Java type, generic or not;
* an object: `Start of structure or map found where not expected`;
* anything else, where a structure is expected: `Unexpected field type` for a member of a structure,
  `Unexpected value type in payload` for an element of a list or map;
* where a list or map is expected: `Unexpected field type` for a member, a failed cast for an element;
* where a blob is expected: `only base-64-encoded strings are convertible to bytes`, and three texts
  for strings that are not base64;
* a string, where a Boolean is expected: `Unexpected token received from parser`;
* any other scalar: its token and the expected type, `NUMBER_VALUE cannot be converted to String`.
  A fraction or an exponent makes a number a DECIMAL_VALUE.

The strings "true" and "false" and their like are read as Booleans, and any number as an Integer.
Null is absent, and members the model does not know are ignored.

What is read is left in the request as the operations want it: no null members, whole numbers for
Integer and Long, booleans for Boolean, `{}` for an attribute value that is null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from typing import Any

from alt import errors
from alt.errors import ApiError
from alt.validation import blobs
from alt.validation.shapes import Kind, Shape

_PACKAGE = "com.amazonaws.dynamodb.v20120810."

# What each scalar is called in a conversion, and its Java class.
_SCALARS: dict[Kind, tuple[str, str]] = {
    "string": ("String", "java.lang.String"),
    "integer": ("Integer", "java.lang.Integer"),
    "long": ("Long", "java.lang.Long"),
    "double": ("Double", "java.lang.Double"),
    "timestamp": ("Date", "java.util.Date"),
    "boolean": ("Boolean", "java.lang.Boolean"),
    "blob": ("ByteBuffer", "java.nio.ByteBuffer"),
}
_NOT_EXPECTED = "Start of structure or map found where not expected"
_FIELD = "Unexpected field type"
_VALUE = "Unexpected value type in payload"
_CAST = (
    "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class "
    "java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class "
    "are in module java.base of loader 'bootstrap')"
)

# Whole numbers beyond these are read as these.
LEAST_LONG = -(2**63)
GREATEST_LONG = 2**63 - 1

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_STRING = Shape("String", "string")
_BOOLEAN = Shape("Boolean", "boolean")
_BLOB = Shape("Blob", "blob")
_ATTRIBUTE = Shape("AttributeValue", "attribute")
_STRINGS = Shape("Strings", "list", element=_STRING)
_BLOBS = Shape("Blobs", "list", element=_BLOB)
_ATTRIBUTES = Shape("ListAttributeValue", "list", element=_ATTRIBUTE)
_ATTRIBUTE_MAP = Shape("MapAttributeValue", "map", element=_ATTRIBUTE)

# What the members of an attribute value hold. L and M are read by the walk itself.
_ATTRIBUTE_MEMBERS = {
    "S": _STRING,
    "N": _STRING,
    "B": _BLOB,
    "BOOL": _BOOLEAN,
    "NULL": _BOOLEAN,
    "SS": _STRINGS,
    "NS": _STRINGS,
    "BS": _BLOBS,
}


def read(shape: Shape, request: object) -> dict[str, Any]:
    """The request with its members' types checked, itself, ironed out in place.

    Raises SerializationException.
    """
    structure: dict[str, Any] = _read(shape, request, element=True)
    return structure


def _read(shape: Shape, value: Any, element: bool) -> Any:
    """`element`: the value stands in a list or under a map's key, not as a structure's member."""
    return _READERS[shape.kind](shape, value, element)


def _read_structure(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is not dict:
        raise _mismatch(shape, value, element)
    members = shape.members
    for name, content in value.items():
        member = members.get(name)
        if member is not None and content is not None:
            value[name] = _read(member, content, element=False)
    _drop_nulls(value, members)
    return value


def _read_list(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is not list:
        raise _mismatch(shape, value, element)
    assert shape.element is not None
    return _read_elements(shape.element, value, enumerate(value))


def _read_map(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is not dict:
        raise _mismatch(shape, value, element)
    assert shape.element is not None
    return _read_elements(shape.element, value, value.items())


def _read_elements(shape: Shape, collection: Any, places: Iterable[tuple[Any, Any]]) -> Any:
    """A null element stays for the constraints to refuse, unless it is an attribute value."""
    for place, content in places:
        if content is not None or shape.kind == "attribute":
            collection[place] = _read(shape, content, element=True)
    return collection


def _read_attribute(shape: Shape, value: Any, element: bool) -> Any:
    """Walks the value without recursion, however deep it is."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise _mismatch(shape, value, element)
    walks = [iter([value])]
    while walks:
        for attribute in walks[-1]:
            if type(attribute) is not dict:
                raise _mismatch(_ATTRIBUTE, attribute, element=True)
            nested = _read_attribute_members(attribute)
            if nested:
                walks.append(iter(nested))
                break
        else:
            walks.pop()
    return value


def _read_attribute_members(attribute: dict[str, Any]) -> list[Any]:
    """Reads the members of one attribute value; returns the values nested in it."""
    nested: list[Any] = []
    for kind, content in attribute.items():
        if content is None:
            continue
        if kind == "L":
            nested += _nested_values(_ATTRIBUTES, content)
        elif kind == "M":
            nested += _nested_values(_ATTRIBUTE_MAP, content)
        elif kind in _ATTRIBUTE_MEMBERS:
            attribute[kind] = _read(_ATTRIBUTE_MEMBERS[kind], content, element=False)
    _drop_nulls(attribute, attribute)
    return nested


def _nested_values(shape: Shape, content: Any) -> list[Any]:
    """The attribute values in a list or map, with its nulls made empty."""
    if type(content) is not (list if shape.kind == "list" else dict):
        raise _mismatch(shape, content, element=False)
    places: Iterable[tuple[Any, Any]] = content.items() if type(content) is dict else enumerate(content)
    for place, value in places:
        if value is None:
            content[place] = {}
    return list(content.values()) if type(content) is dict else list(content)


def _read_string(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is not str:
        raise _mismatch(shape, value, element)
    return value


def _read_blob(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is not str:
        raise _mismatch(shape, value, element)
    fault = blobs.fault(value)
    if fault is not None:
        raise errors.serialization(fault)
    return value


def _read_boolean(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is bool:
        return value
    word = _WORDS.get(value.lower()) if type(value) is str else None
    if word is None:
        raise _mismatch(shape, value, element)
    return word


def _read_whole_number(shape: Shape, value: Any, element: bool) -> Any:
    number = _read_number(shape, value, element)
    return _within_64_bits(int(number))


def _read_number(shape: Shape, value: Any, element: bool) -> Any:
    if type(value) is int:
        return _within_64_bits(value)
    if type(value) is float and math.isfinite(value):
        return value
    raise _mismatch(shape, value, element)


def _within_64_bits(number: int) -> int:
    return min(max(number, LEAST_LONG), GREATEST_LONG)


_READERS: dict[Kind, Callable[[Shape, Any, bool], Any]] = {
    "structure": _read_structure,
    "list": _read_list,
    "map": _read_map,
    "attribute": _read_attribute,
    "string": _read_string,
    "integer": _read_whole_number,
    "long": _read_whole_number,
    "double": _read_number,
    "timestamp": _read_number,
    "boolean": _read_boolean,
    "blob": _read_blob,
}


def _drop_nulls(structure: dict[str, Any], members: Container[str]) -> None:
    """A null is as if the member were absent; what is no member is left as it is."""
    for name in [name for name, content in structure.items() if content is None and name in members]:
        del structure[name]


def _mismatch(shape: Shape, value: Any, element: bool) -> ApiError:
    """The error for a value that is not of the shape's JSON type."""
    if type(value) is list:
        return errors.serialization(f"Unrecognized collection type {_java_type(shape)}")
    if type(value) is dict:
        return errors.serialization(_NOT_EXPECTED)
    kind = shape.kind
    if kind in ("structure", "attribute"):
        return errors.serialization(_VALUE if element else _FIELD)
    if kind in ("list", "map"):
        return errors.serialization(_CAST if element else _FIELD)
    if kind == "blob":
        return errors.serialization("only base-64-encoded strings are convertible to bytes")
    if kind == "boolean" and type(value) is str:
        return errors.serialization("Unexpected token received from parser")
    return errors.serialization(f"{_token(value)} cannot be converted to {_SCALARS[kind][0]}")


def _token(value: Any) -> str:
    if type(value) is bool:
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if value is None:
        return "NULL_VALUE"
    if type(value) is str:
        return "STRING_VALUE"
    return "DECIMAL_VALUE" if type(value) is float else "NUMBER_VALUE"


def _java_type(shape: Shape) -> str:
    """As Java prints it: a class has the word before it, a generic type has not."""
    name = _java_name(shape)
    return name if shape.kind in ("list", "map") else f"class {name}"


def _java_name(shape: Shape) -> str:
    if shape.kind in _SCALARS:
        return _SCALARS[shape.kind][1]
    if shape.element is None:
        return _PACKAGE + shape.name
    element = _java_name(shape.element)
    return (
        f"java.util.List<{element}>"
        if shape.kind == "list"
        else f"java.util.Map<java.lang.String, {element}>"
    )
