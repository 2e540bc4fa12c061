"""Signature Version 4 of a request to DynamoDB, with the access key that the environment names.

Alt reads of it whose a request is, and for which region; the service checks it. See
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

# For those who have none: Alt and other servers on one's own machine take any.
ANY_KEY = "alt"


def signed(
    headers: Mapping[str, str],
    body: bytes,
    path: str,
    moment: datetime,
    environment: Mapping[str, str],
    method: str = "POST",
) -> dict[str, str]:
    """The headers of a request, and those that sign it. `headers` has `host`, all names in lower case."""
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    access_key = environment.get("AWS_ACCESS_KEY_ID") or ANY_KEY
    secret = environment.get("AWS_SECRET_ACCESS_KEY") or ANY_KEY
    time = moment.strftime("%Y%m%dT%H%M%SZ")
    signing = {**headers, "x-amz-date": time}
    if token := environment.get("AWS_SESSION_TOKEN"):
        signing["x-amz-security-token"] = token
    names = ";".join(sorted(signing))
    lines = [f"{name}:{signing[name].strip()}\n" for name in sorted(signing)]
    canonical = "\n".join([method, path, "", "".join(lines), names, hashlib.sha256(body).hexdigest()])
    scope = f"{time[:8]}/{region}/dynamodb/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={_mac(key, text).hex()}"
    )
    return {**signing, "authorization": authorization}


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
