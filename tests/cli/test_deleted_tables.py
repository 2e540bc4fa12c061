"""Tables that `alt tables rm` removes leave what DeleteTable leaves, whether a server runs or not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_deleted_tables import awaited, described, items, switch
from tests.api.test_streams import create, read_shards, replay, scan, write


@pytest.fixture
def deleted(alt: Any, start_server: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A server; the ARN of the stream of a table that was removed, and the items it had."""
    server = start_server("--data-dir", tmp_path)
    client = server.client()
    arn = create(client, "Music")
    switch(client, "Music", True)
    for number in range(5):
        write(client, "Music", ("put", ("p", str(number)), {}))
    before = scan(client, "Music")
    if request.param == "stopped":
        server.stop()
    removed = alt("tables", "rm", "Music", "--yes", "--data-dir", tmp_path)
    assert (removed.status, removed.out) == (0, "Removed Music.\n")
    if request.param == "stopped":
        server = start_server("--data-dir", tmp_path)
    return server, arn, before


@pytest.mark.parametrize("deleted", ["running", "stopped"], indirect=True)
def test_what_a_removed_table_leaves(deleted: Any, alt: Any, tmp_path: Path) -> None:
    server, arn, before = deleted
    client, streams = server.client(), server.client("dynamodbstreams")
    assert client.list_tables()["TableNames"] == []
    backup = awaited(client, "Music")
    assert described(streams, arn)["StreamStatus"] == "DISABLED"
    assert replay(read_shards(streams, arn)) == before
    assert items(client, backup["BackupArn"], "Again") == before
    (listed,) = json.loads(alt("streams", "ls", "--json", "--data-dir", tmp_path).out)
    assert (listed["TableName"], listed["StreamStatus"]) == ("Music", "DISABLED")
    (row,) = alt("backup", "ls", "--data-dir", tmp_path).rows
    assert row[1] == "Music$DeletedTableBackup"


@pytest.mark.parametrize("deleted", ["running"], indirect=True)
def test_a_lost_catalog_does_not_bring_it_back(
    deleted: Any, alt: Any, start_server: Any, tmp_path: Path
) -> None:
    server, _, before = deleted
    awaited(server.client(), "Music")
    server.stop()
    for path in tmp_path.glob("catalog.db*"):
        path.unlink()
    adopted = alt("tables", "adopt", "--data-dir", tmp_path)
    assert "the table was deleted" in adopted.out + adopted.err
    client = start_server("--data-dir", tmp_path).client()
    assert client.list_tables()["TableNames"] == []
    # Its backup is taken in.
    assert items(client, awaited(client, "Music")["BackupArn"], "Again") == before


def test_a_loaded_snapshot_brings_the_table_back_beside_what_it_left(
    alt: Any, start_server: Any, tmp_path: Path
) -> None:
    server = start_server("--data-dir", tmp_path)
    client, streams = server.client(), server.client("dynamodbstreams")
    arn = create(client, "Music")
    switch(client, "Music", True)
    write(client, "Music", ("put", ("p", "1"), {}))
    assert alt("snapshot", "save", "seed", "--data-dir", tmp_path).status == 0
    for number in range(2):
        client.delete_table(TableName="Music")
        assert alt("snapshot", "load", "seed", "--data-dir", tmp_path).status == 0
        assert client.list_tables()["TableNames"] == ["Music"]
        assert [stream["StreamArn"] for stream in streams.list_streams()["Streams"]] == [arn]
        end = time.monotonic() + 60
        while True:
            backups = client.list_backups(BackupType="SYSTEM")["BackupSummaries"]
            if [backup["BackupStatus"] for backup in backups] == ["AVAILABLE"] * (number + 1):
                break
            assert time.monotonic() < end
            time.sleep(0.02)
    assert len(scan(client, "Music")) == 1
