"""DescribeLimits and DescribeEndpoints: what a client may ask of the service as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alt.operations.caller import Caller
from alt.operations.context import Context
from alt.operations.reply import body

if TYPE_CHECKING:
    from alt.validation.requests import DescribeEndpointsRequest, DescribeLimitsInput

# The default quotas of an account. They are reported, and no table is held to them.
_LIMITS = body(
    {
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }
)
ENDPOINT_CACHE_MINUTES = 1_440


def describe_limits(context: Context, request: DescribeLimitsInput, caller: Caller) -> bytes:  # noqa: ARG001
    """DescribeLimits (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeLimits.html)."""
    return _LIMITS


def describe_endpoints(context: Context, request: DescribeEndpointsRequest, caller: Caller) -> bytes:  # noqa: ARG001
    """DescribeEndpoints (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeEndpoints.html).

    The one endpoint: this server, by the name the client reached it by.
    """
    address = caller.host or context.address
    return body({"Endpoints": [{"Address": address, "CachePeriodInMinutes": ENDPOINT_CACHE_MINUTES}]})
