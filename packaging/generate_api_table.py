"""Write docs/api.md's table of the API's operations: `python packaging/generate_api_table.py`.

Which operations there are is botocore's word (alt/validation/shapes.json), which of them Alt has the code's; what there
is to say about one stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from alt.operations import OPERATIONS
from alt.operations.backups import restore_rules
from alt.operations.tables import tables, update_table
from alt.validation.shapes import operations

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
SERVICES = {"dynamodb": "DynamoDB", "dynamodbstreams": "DynamoDB Streams"}

# Parameters that are answered as unknown operations are, by the operation that has them.
NOT_BUILT = {
    "CreateTable": tables.NOT_BUILT,
    "RestoreTableFromBackup": restore_rules.NOT_BUILT,
    "RestoreTableToPointInTime": restore_rules.NOT_BUILT,
    "UpdateTable": tuple(sorted(update_table.NOT_BUILT)),
}

# How an operation is done that is there, where that is not how DynamoDB does it.
REMARKS = {
    "CreateBackup": "AVAILABLE when it is answered, unless the table is large; `alt backup create`",
    "CreateTable": "done when it is answered",
    "DeleteTable": "done when it is answered; its streams can be read for another day",
    "DescribeEndpoints": "names this server",
    "DescribeLimits": "the default quotas; no table is held to them",
    "DescribeTable": "counts and sizes are those of now",
    "ExecuteStatement": "`alt sql` is a prompt for it",
    "GetItem": "never old, but with `--engine-replica`; eventually consistent reads cost half all the same",
    "PutResourcePolicy": "held to with `--auth enforce`",
    "Query": "in pages of 1 MB, with filters and legacy parameters",
    "RestoreTableFromBackup": "`alt backup restore`",
    "RestoreTableToPointInTime": "up to now, and not up to five minutes ago; `alt restore`",
    "Scan": "in DynamoDB's own order, parallel segments, too",
    "UpdateTable": "done when it is answered; new indexes are built in the background",
    "UpdateTimeToLive": "items that expire are deleted within seconds",
    "DescribeStream": "streams keep the shards that they were turned on with",
}

# What the operations that are not there are about.
NOT_YET = {
    "bulk operations": (
        "CancelBulkOperation",
        "DescribeBulkOperation",
        "ListBulkOperations",
        "StartBulkPutItems",
    ),
    "Contributor Insights": (
        "DescribeContributorInsights",
        "ListContributorInsights",
        "UpdateContributorInsights",
    ),
    "exports to S3; `alt dump --format aws` writes their files": (
        "DescribeExport",
        "ExportTableToPointInTime",
        "ListExports",
    ),
    "imports from S3; `alt load` reads their files": ("DescribeImport", "ImportTable", "ListImports"),
    "global tables": (
        "CreateGlobalTable",
        "DescribeGlobalTable",
        "DescribeGlobalTableSettings",
        "DescribeTableReplicaAutoScaling",
        "ListGlobalTables",
        "UpdateGlobalTable",
        "UpdateGlobalTableSettings",
        "UpdateTableReplicaAutoScaling",
    ),
    "Kinesis; DynamoDB Streams are there": (
        "DescribeKinesisStreamingDestination",
        "DisableKinesisStreamingDestination",
        "EnableKinesisStreamingDestination",
        "UpdateKinesisStreamingDestination",
    ),
    "vector indexes": ("SearchVectors",),
}
_SUBJECTS = {name: subject for subject, names in NOT_YET.items() for name in names}
_TABLE = re.compile(r"^[\d]+ operations.*?\n\n\|.*?\n(?!\|)", re.DOTALL | re.MULTILINE)


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Service, operation, state and remark."""
    for service, title in SERVICES.items():
        for name in sorted(operations(service)):
            if (service, name) not in OPERATIONS:
                yield title, name, "not yet", _SUBJECTS[name]
            elif lacks := NOT_BUILT.get(name):
                yield title, name, "partial", f"without {', '.join(lacks)}; {REMARKS[name]}"
            else:
                yield title, name, "done", REMARKS.get(name, "")


def api_table() -> str:
    """The sums, and the table, as docs/api.md has them."""
    every = list(rows())
    counts = {state: sum(row[2] == state for row in every) for state in ("done", "partial", "not yet")}
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    lines = [f"{len(every)} operations: {said}.", "", "| service | operation | | how |", "|---|---|---|---|"]
    lines += [f"| {service} | {name} | {state} | {how} |" for service, name, state, how in every]
    return "\n".join(lines) + "\n"


def main() -> None:
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: api_table(), text, count=1), "utf-8")


if __name__ == "__main__":
    main()
