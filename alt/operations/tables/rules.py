"""What a CreateTable must be like before any table is looked at, and rules UpdateTable shares.

Member-level constraints (types, lengths, enums) were checked before; these are the
rules that span members. Texts are as recorded from the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alt.errors import invalid_parameters, validation
from alt.operations.tables.index_rules import check_keys_and_indexes
from alt.operations.tables.policy_rules import checked
from alt.operations.tables.tags import check_tags
from alt.operations.tables.throughput_rules import check_table_throughput

if TYPE_CHECKING:
    from alt.validation.requests import CreateTableInput, SSESpecification, StreamSpecification

TABLE_CLASSES = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")


def check_create_table(request: CreateTableInput) -> None:
    """Refuse a CreateTable that breaks a rule."""
    check_table_class(request.get("TableClass"))
    check_table_throughput(request)
    check_keys_and_indexes(request)
    if (stream := request.get("StreamSpecification")) is not None:
        _check_new_stream(stream)
    if (encryption := request.get("SSESpecification")) is not None:
        check_encryption(encryption)
    check_tags(request.get("Tags") or ())
    if (policy := request.get("ResourcePolicy")) is not None:
        checked(policy, None)


def check_table_class(table_class: str | None) -> None:
    if table_class is not None and table_class not in TABLE_CLASSES:
        raise validation(
            "Invalid table-class parameter provided. "
            f"Please try again with a valid table-class value: [{', '.join(TABLE_CLASSES)}]."
        )


def _check_new_stream(stream: StreamSpecification) -> None:
    enabled, view_type = stream["StreamEnabled"], stream.get("StreamViewType")
    if enabled and view_type is None:
        raise invalid_parameters("Table is being created with a stream enabled, UpdateViewType is required")
    if not enabled and view_type is not None:
        raise invalid_parameters(
            "Table is being created with a stream disabled, UpdateViewType should not be specified"
        )


def check_stream_update(stream: StreamSpecification) -> None:
    enabled, view_type = stream["StreamEnabled"], stream.get("StreamViewType")
    if enabled and view_type is None:
        raise invalid_parameters("If stream is being enabled then UpdateViewType is required")
    if not enabled and view_type is not None:
        raise invalid_parameters("If stream is being disabled, then UpdateViewType must not be specified")


def check_encryption(specification: SSESpecification) -> None:
    """The rules of an SSESpecification. Without `Enabled`, a given `SSEType` means enabled."""
    enabled, kind = specification.get("Enabled"), specification.get("SSEType")
    key = specification.get("KMSMasterKeyId")
    if enabled is False:
        for member, value in (("SSEType", kind), ("KMSMasterKeyId", key)):
            if value is not None:
                raise invalid_parameters(f"{member} can not be specified if Enabled is false")
    if kind == "AES256":
        raise invalid_parameters("SSEType AES256 is not supported")
    if kind is None and key is not None:
        raise invalid_parameters("SSEType KMS is required if KMSMasterKeyId is specified")
