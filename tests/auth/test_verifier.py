"""The verifier by itself, on what botocore signs: what it remembers, the order of its checks, and what it never lets in."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alt.auth.keys import AccessKey
from alt.auth.signature import MAX_KNOWN, Verifier
from alt.errors import ApiError

KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "app", "readwrite", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
BODY = b'{"TableName":"Music"}'

Headers = dict[bytes, bytes]


def signed(region: str = "us-east-1", key: AccessKey = KEY, **further: str) -> Headers:
    """The headers of a DescribeTable."""
    given = {"Host": "localhost:8000", "X-Amz-Target": "DynamoDB_20120810.DescribeTable", **further}
    request = AWSRequest("POST", "http://localhost:8000/", given, BODY)
    SigV4Auth(Credentials(key.id, key.secret), "dynamodb", region).add_auth(request)
    return {name.lower().encode(): value.encode() for name, value in request.headers.items()}


@pytest.fixture
def verifier() -> Verifier:
    made = Verifier()
    made.know({KEY.id: KEY})
    return made


def test_a_key_with_a_new_secret_is_refused_the_old_one_at_once(verifier: Verifier) -> None:
    headers = signed()
    verifier.verify(b"POST", b"/", headers, BODY)
    new = AccessKey(KEY.id, KEY.name, KEY.role, "x" * 40)
    verifier.know({new.id: new})
    with pytest.raises(ApiError, match="does not match the signature you provided"):
        verifier.verify(b"POST", b"/", headers, BODY)
    assert verifier.verify(b"POST", b"/", signed(key=new), BODY).key is new
    verifier.know({})
    with pytest.raises(ApiError, match="The security token included in the request is invalid"):
        verifier.verify(b"POST", b"/", headers, BODY)


def test_who_signed_and_for_which_region_is_told(verifier: Verifier) -> None:
    assert verifier.verify(b"POST", b"/", signed("eu-west-1"), BODY).whose == (KEY.id, "eu-west-1")


def test_what_is_remembered_is_bounded(verifier: Verifier) -> None:
    for number in range(MAX_KNOWN + 10):
        verifier.verify(b"POST", b"/", signed(f"region-{number}"), BODY)
        with suppress(ApiError):
            date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(number))
            verifier.verify(b"POST", b"/", {**signed(), b"x-amz-date": date.encode()}, BODY)
    assert 0 < len(verifier._signers) <= MAX_KNOWN
    assert 0 < len(verifier._moments) <= MAX_KNOWN


def test_strangers_are_not_remembered(verifier: Verifier) -> None:
    stranger = AccessKey("AKIASTRANGER", "stranger", "admin", "x" * 40)
    for headers in (signed(key=stranger), {**signed(), b"host": b"other"}):
        with pytest.raises(ApiError):
            verifier.verify(b"POST", b"/", headers, BODY)
    assert not verifier._signers


def test_of_several_faults_the_first_in_the_services_order_is_told(verifier: Verifier) -> None:
    """Each mending of the request brings the next one to light."""
    good = signed()
    now = good[b"x-amz-date"].decode()
    scope = f"{now[:8]}/us-east-1/dynamodb/aws4_request"
    names = "host;x-amz-date;x-amz-target"
    faults = [
        ({}, "Request is missing Authentication Token"),
        ({b"authorization": "AWS4-HMAC-SHA1 Credential"}, "'Credential' not a valid key=value pair"),
        ({b"authorization": "AWS4-HMAC-SHA1 Credential=a"}, "Authorization header requires 'Signature' parameter. "),
        ({b"authorization": "AWS4-HMAC-SHA1 Credential=a, Signature=b, SignedHeaders=c"}, "Authorization header requires existence of either a"),
        ({b"x-amz-date": "today"}, "Date must be in ISO-8601 'basic format'. Got 'today'."),
        ({b"x-amz-date": "20000101T000000Z"}, "Signature expired: 20000101T000000Z is now earlier than "),
        ({b"x-amz-date": now}, "'Host' must be a 'SignedHeader' in the AWS Authorization."),
        ({b"authorization": "AWS4-HMAC-SHA1 Credential=a, Signature=b, SignedHeaders=host"}, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'"),
        ({b"authorization": "AWS4-HMAC-SHA256 Credential=a, Signature=b, SignedHeaders=host"}, "Credential must have exactly 5 slash-delimited elements"),
        ({b"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/, Signature=b, SignedHeaders=host"}, "Credential should be scoped to correct service: 'dynamodb'. "),
        ({b"authorization": f"AWS4-HMAC-SHA256 Credential=a/{scope}, Signature=b, SignedHeaders=host"}, "The security token included in the request is invalid."),
        ({b"authorization": f"AWS4-HMAC-SHA256 Credential={KEY.id}/{scope}, Signature=b, SignedHeaders=host"}, "'x-amz-target' must be a 'SignedHeader'"),
        ({b"authorization": f"AWS4-HMAC-SHA256 Credential={KEY.id}/{scope}, Signature=b, SignedHeaders={names}"}, "The request signature we calculated does not match"),
    ]  # fmt: skip
    headers = {b"host": good[b"host"], b"x-amz-target": good[b"x-amz-target"]}
    for mended, text in faults:
        headers.update({name: value.encode() for name, value in mended.items()})
        with pytest.raises(ApiError) as refused:
            verifier.verify(b"POST", b"/", headers, BODY)
        assert str(refused.value.message).startswith(text)
    assert (
        verifier.verify(b"POST", b"/", {**headers, b"authorization": good[b"authorization"]}, BODY).key is KEY
    )


CHANGED = st.binary(min_size=1, max_size=3).filter(lambda text: not set(text) & set(b" \t\r\n"))


@settings(max_examples=300, deadline=None)
@given(
    # How the header Authorization is written may differ; tests/auth/test_forged.py changes what it says.
    part=st.sampled_from(
        ("method", "path", "query", "body", *sorted({*signed(Note="")} - {b"authorization"}))
    ),
    place=st.floats(0, 1),
    change=CHANGED,
)
def test_no_byte_of_a_signed_request_can_be_changed(part: str | bytes, place: float, change: bytes) -> None:
    verifier = Verifier()
    verifier.know({KEY.id: KEY})
    headers = signed(Note="what a client adds")
    verifier.verify(b"POST", b"/", headers, BODY)

    def changed(text: bytes) -> bytes:
        at = round(place * (len(text) - 1)) if text else 0
        return text[:at] + change + text[at + len(change) :]

    parts = {"method": b"POST", "path": b"/", "query": b"/", "body": BODY, **headers}
    before = parts[part]
    if part == "path":
        parts[part] = b"/" + change.translate(None, b"?/.") + b"x"
    elif part == "query":
        parts[part] = b"/?x" + change
    else:
        parts[part] = changed(before)
        assume(parts[part] != before)
    url = parts["path"] if part == "path" else parts["query"]
    with pytest.raises(ApiError):
        verifier.verify(parts["method"], url, {name: parts[name] for name in headers}, parts["body"])


@settings(max_examples=300, deadline=None)
@given(
    url=st.binary(max_size=60),
    names=st.dictionaries(
        st.sampled_from((b"authorization", b"host", b"x-amz-date", b"date", b"x-amz-target", b"other")),
        st.binary(max_size=80),
    ),
    shape=st.sampled_from(
        (b"%b", b"AWS4-HMAC-SHA256 %b", b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=host, Signature=%b")
    ),
)
def test_whatever_is_sent_is_refused_in_words(url: bytes, names: Headers, shape: bytes) -> None:
    verifier = Verifier()
    verifier.know({KEY.id: KEY})
    text = names.get(b"authorization", b"")
    headers = {**names, b"authorization": shape.replace(b"%b", text)}
    for sent in (headers, names):
        with pytest.raises(ApiError):
            verifier.verify(b"POST", url, sent, BODY)
