"""Writes `alt/validation/shapes.json`: the request shapes of the API, from botocore's copy of the model.

Run it after upgrading botocore:

    python packaging/generate_validation.py

`generate_requests.py` runs at its end and writes `alt/validation/requests.py` from the table.

The table holds, for every operation of DynamoDB and DynamoDB Streams, the input shape and all shapes
reachable from it. Documentation, outputs and errors are left out. Two orders are added that the
service shows in its messages and that its recordings explain completely:

* the members of a structure are checked in the iteration order of a Java 8 `HashMap` keyed by the
  member's name in lowerCamelCase ("order", where it differs from the model's own order);
* the values of an enum are printed in the order of a 32-bucket hash table keyed by `String.hashCode`.

In both, members of one bucket come out last declared first.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.resources
import json
import runpy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SERVICES = {"dynamodb": "dynamodb/2012-08-10", "dynamodbstreams": "dynamodbstreams/2012-08-10"}
TARGET = Path(__file__).parent.parent / "alt" / "validation" / "shapes.json"

_ENUM_BUCKETS = 32
_SMALLEST_MAP = 16
_LOAD_FACTOR = 0.75

Shape = dict[str, Any]


def java_hash(text: str) -> int:
    """`String.hashCode`, unsigned. The model's names are ASCII."""
    result = 0
    for character in text:
        result = (31 * result + ord(character)) & 0xFFFFFFFF
    return result


def print_order(values: Iterable[str]) -> list[str]:
    """The values of an enum as the service prints them."""
    return _by_bucket(values, lambda value: java_hash(value) % _ENUM_BUCKETS)


def check_order(members: Iterable[str]) -> list[str]:
    """The members of a structure as the service walks them."""
    members = list(members)
    buckets = _SMALLEST_MAP
    while len(members) > buckets * _LOAD_FACTOR:
        buckets *= 2

    def bucket(member: str) -> int:
        code = java_hash(member[:1].lower() + member[1:])
        return (code ^ code >> 16) % buckets

    return _by_bucket(members, bucket)


def _by_bucket(names: Iterable[str], bucket: Callable[[str], int]) -> list[str]:
    last_first = list(names)
    last_first.reverse()
    return sorted(last_first, key=bucket)


def table() -> dict[str, Any]:
    """The whole table, as it is written."""
    operations: dict[str, dict[str, str]] = {}
    shapes: dict[str, Shape] = {}
    for service, folder in SERVICES.items():
        model = _read_model(folder)
        operations[service] = {
            name: model["operations"][name]["input"]["shape"] for name in model["operations"]
        }
        for name, shape in _reachable(model["shapes"], operations[service].values()).items():
            if shapes.setdefault(name, shape) != shape:
                raise ValueError(f"the services disagree about the shape {name}")
    return {
        "botocore": importlib.metadata.version("botocore"),
        "operations": operations,
        "shapes": dict(sorted(shapes.items())),
    }


def render(whole: dict[str, Any]) -> str:
    """JSON with one shape a line, so that a difference between two models is readable."""
    shapes = ",\n".join(f"{json.dumps(name)}:{_compact(shape)}" for name, shape in whole["shapes"].items())
    operations = ",\n".join(
        f"{json.dumps(service)}:{_compact(inputs)}" for service, inputs in whole["operations"].items()
    )
    version = json.dumps(whole["botocore"])
    return f'{{"botocore":{version},\n"operations":{{\n{operations}}},\n"shapes":{{\n{shapes}}}}}\n'


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _read_model(folder: str) -> dict[str, Any]:
    packed = importlib.resources.files("botocore") / "data" / folder / "service-2.json.gz"
    model: dict[str, Any] = json.loads(gzip.decompress(packed.read_bytes()))
    return model


def _reachable(model: dict[str, Shape], roots: Iterable[str]) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = _condense(model[name])
            pending += _parts(model[name])
    return found


def _parts(shape: Shape) -> list[str]:
    parts = [
        *shape.get("members", {}).values(),
        *(shape[part] for part in ("member", "key", "value") if part in shape),
    ]
    return [part["shape"] for part in parts]


def _condense(shape: Shape) -> Shape:
    """What the checks read of one shape of the model."""
    kind = shape["type"]
    condensed: Shape = {"type": kind}
    if kind == "structure":
        members = {name: member["shape"] for name, member in shape["members"].items()}
        condensed["members"] = members
        if shape.get("required"):
            condensed["required"] = shape["required"]
        order = check_order(members)
        if order != list(members):
            condensed["order"] = order
    elif kind == "list":
        condensed["element"] = shape["member"]["shape"]
    elif kind == "map":
        condensed["key"] = shape["key"]["shape"]
        condensed["element"] = shape["value"]["shape"]
    for limit in ("min", "max", "pattern"):
        if limit in shape:
            condensed[limit] = shape[limit]
    if "enum" in shape:
        condensed["enum"] = print_order(shape["enum"])
    return condensed


if __name__ == "__main__":
    TARGET.write_text(render(table()), encoding="utf-8")
    runpy.run_path(str(Path(__file__).with_name("generate_requests.py")), run_name="__main__")
