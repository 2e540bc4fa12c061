"""What the fuzzer finds is kept so that it can be tried again, on a service that names things otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import world


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "FINDS", tmp_path / "finds")


def test_a_find_is_read_as_it_was_sent() -> None:
    body = b'{"TableName":"\xff\x00\xc3\xa9\\ud800'
    path = world.keep("ListTables", body, {"$table": "arn:absent"})
    assert world.finds() == {path.stem: world.Find("ListTables", body, {})}


def test_a_find_names_what_the_service_it_is_tried_on_does(furnished: Any) -> None:
    sent = {"$backup": "arn:there/backup/1", "$table": "arn:there"}
    request = {"TargetTableName": "Again", "BackupArn": sent["$backup"], "Kept": sent["$table"]}
    world.keep("RestoreTableFromBackup", json.dumps(request).encode(), sent)
    (find,) = world.finds().values()
    front = furnished()
    asked = json.loads(find.body_for(front.names))
    assert asked == request | {"BackupArn": front.names["$backup"], "Kept": front.names["$table"]}
    status, answer = front.send(find.operation, find.body_for(front.names))
    assert (status, answer["TableDescription"]["TableName"]) == (200, "Again")
