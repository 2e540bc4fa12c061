"""`alt.testing.serve` and the pytest fixtures, as a project's own tests use them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from alt.testing import serve

pytest_plugins = ["pytester"]

TESTS = """
    import time

    MUSIC = {"Music": {"Items": [{"pk": {"S": "a"}, "expires": {"N": str(int(time.time()) + 100)}}]}}

    def test_a_client_and_a_resource(dynamodb):
        dynamodb.seed(MUSIC)
        dynamodb.resource.Table("Music").put_item(Item={"pk": "b"})
        assert dynamodb.client.scan(TableName="Music")["Count"] == 2

    def test_it_is_empty_again(dynamodb):
        assert dynamodb.client.list_tables()["TableNames"] == []
        assert dynamodb.client.list_backups()["BackupSummaries"] == []

    def test_a_server_for_code_under_test(alt_server):
        import urllib.request
        assert urllib.request.urlopen(alt_server.url).status == 200

    def test_time_is_under_control(dynamodb):
        dynamodb.seed(MUSIC)
        dynamodb.client.update_time_to_live(
            TableName="Music", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        dynamodb.clock.advance(3_600)
        deadline = time.monotonic() + 60
        while dynamodb.client.scan(TableName="Music")["Count"] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert dynamodb.client.scan(TableName="Music")["Count"] == 0

    def test_seed_data_from_a_file(dynamodb, tmp_path):
        (tmp_path / "seed.json").write_text('{"Music": {"Items": [{"pk": {"S": "a"}}]}}')
        dynamodb.seed(tmp_path / "seed.json")
        assert dynamodb.client.scan(TableName="Music")["Items"] == [{"pk": {"S": "a"}}]
"""


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.nightly)])
def test_the_fixtures(pytester: Any, workers: int) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", str(workers))
    result.assert_outcomes(passed=5)


def test_who_does_not_use_it_does_not_pay_for_it(pytester: Any) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            assert "alt.pytest_plugin" in sys.modules
            assert not {"apsw", "boto3", "alt.service", "alt.testing"} & sys.modules.keys()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist").assert_outcomes(passed=1)


def test_servers_are_independent_and_leave_no_thread_behind() -> None:
    before = threading.active_count()
    with serve() as first, serve(stream_shards=1) as second:
        first.seed({"Music": {}})
        assert first.client().list_tables()["TableNames"] == ["Music"]
        assert second.client().list_tables()["TableNames"] == []
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_settings_are_those_of_a_server(tmp_path: Any) -> None:
    with serve(data_dir=tmp_path / "data") as server:
        server.seed({"Music": {"Items": [{"pk": {"S": str(number)}} for number in range(60)]}})
    with serve(data_dir=tmp_path / "data") as server:
        assert server.client().scan(TableName="Music")["Count"] == 60
        with pytest.raises(AssertionError, match="on disk"):
            server.reset()


def test_time_does_not_go_back() -> None:
    with serve() as server, pytest.raises(ValueError, match="does not go back"):
        server.clock.advance(-1)
