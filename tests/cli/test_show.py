"""`alt tables show`: a table's tags and its time to live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ujson


def test_tags_and_time_to_live(alt: Any, start_server: Any, tmp_path: Path) -> None:
    client = start_server("--data-dir", tmp_path).client()
    created = client.create_table(
        TableName="Music",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    show = ("tables", "show", "Music", "--data-dir", tmp_path)
    assert ["Time to live", "off"] in alt(*show).rows
    assert not [row for row in alt(*show).rows if row[0] == "Tag"]
    client.tag_resource(
        ResourceArn=created["TableDescription"]["TableArn"],
        Tags=[{"Key": "team", "Value": "jazz"}, {"Key": "a", "Value": ""}],
    )
    client.update_time_to_live(
        TableName="Music", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    rows = alt(*show).rows
    assert ["Time to live", "expires"] in rows
    assert [row for row in rows if row[0] == "Tag"] == [["Tag", "team = jazz"], ["Tag", "a = "]]
    shown = ujson.loads(alt(*show, "--json").out)
    assert shown["Tags"] == [{"Key": "team", "Value": "jazz"}, {"Key": "a", "Value": ""}]
    assert shown["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
