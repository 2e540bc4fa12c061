"""AWS's own examples of Signature Version 4: the test suite that it published, and its documentation.

https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html
"""

from __future__ import annotations

import pytest

from alt.auth import canonical
from alt.auth.canonical import SignedHeaders
from alt.auth.keys import AccessKey
from alt.auth.signature import Signer, Verifier
from alt.errors import ApiError

KEY = AccessKey("AKIDEXAMPLE", "example", "readwrite", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOON = 1_440_938_160  # 2015-08-30T12:36:00Z
DATE = b"20150830T123600Z"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = b"application/x-www-form-urlencoded"

Headers = dict[bytes, bytes]

# Name, method, target, further headers, body, signature. What the suite writes on several lines or twice is here as
# the server reads it.
SUITE: list[tuple[str, str, str, Headers, bytes, str]] = [
    ("get-header-key-duplicate", "GET", "/", {b"my-header1": b"value2,value2,value1"}, b"", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("get-header-value-multiline", "GET", "/", {b"my-header1": b"value1,value2,value3"}, b"", "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"),
    ("get-header-value-order", "GET", "/", {b"my-header1": b"value4,value1,value3,value2"}, b"", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ("get-header-value-trim", "GET", "/", {b"my-header1": b"  value1", b"my-header2": b' "a   b   c"\t'}, b"", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("get-unreserved", "GET", f"/{UNRESERVED}", {}, b"", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("get-utf8", "GET", "/ሴ", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("get-vanilla", "GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-vanilla-empty-query-key", "GET", "/?Param1=value1", {}, b"", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("get-vanilla-query", "GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", {}, b"", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("get-vanilla-query-unreserved", "GET", f"/?{UNRESERVED}={UNRESERVED}", {}, b"", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("get-vanilla-utf8-query", "GET", "/?ሴ=bar", {}, b"", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("normalize-path/get-relative", "GET", "/example/..", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("normalize-path/get-relative-relative", "GET", "/example1/example2/../..", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("normalize-path/get-slash", "GET", "//", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("normalize-path/get-slash-dot-slash", "GET", "/./", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("post-header-key-case", "POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-header-key-sort", "POST", "/", {b"my-header1": b"value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("post-header-value-case", "POST", "/", {b"my-header1": b"VALUE1"}, b"", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ("post-vanilla", "POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-vanilla-query", "POST", "/?Param1=value1", {}, b"", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("post-vanilla-query-nonunreserved", "POST", "/?@%23$%25%5E=&+=/,?%3E%3C%60%22;:%5C|][%7B%7D", {}, b"", "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e"),
    ("post-vanilla-query-space", "POST", "/?p", {}, b"", "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b"),
    ("post-x-www-form-urlencoded", "POST", "/", {b"content-type": FORM}, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ("post-x-www-form-urlencoded-parameters", "POST", "/", {b"content-type": FORM + b"; charset=utf8"}, b"Param1=value1", "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"),
]  # fmt: skip
PARAMETERS = [pytest.param(*case[1:], id=case[0]) for case in SUITE]


@pytest.fixture
def verifier() -> Verifier:
    made = Verifier(lambda: NOON, b"service")
    made.know({KEY.id: KEY})
    return made


def sent(further: Headers, signature: str) -> Headers:
    headers = {b"host": b"example.amazonaws.com", **further, b"x-amz-date": DATE}
    names = b";".join(sorted(headers)).decode()
    headers[b"authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY.id}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    ).encode()
    return headers


@pytest.mark.parametrize(("method", "target", "further", "body", "signature"), PARAMETERS)
def test_what_the_suite_signs_is_verified(
    verifier: Verifier, method: str, target: str, further: Headers, body: bytes, signature: str
) -> None:
    request = method.encode(), target.encode(), sent(further, signature), body
    for _ in range(2):  # the second time what is known of the signer is not read again
        assert verifier.verify(*request).key is KEY


@pytest.mark.parametrize(("method", "target", "further", "body", "signature"), PARAMETERS)
def test_and_nothing_else(
    verifier: Verifier, method: str, target: str, further: Headers, body: bytes, signature: str
) -> None:
    headers = sent(further, signature)
    good = method.encode(), target.encode(), headers, body
    verifier.verify(*good)
    last = "0" if signature[-1] != "0" else "1"
    for changed in (
        (b"PUT", *good[1:]),
        (good[0], good[1] + (b"&" if b"?" in good[1] else b"?") + b"x", *good[2:]),
        (*good[:2], {**headers, b"host": b"example.amazonaws.co"}, body),
        (*good[:2], sent(further, signature[:-1] + last), body),
        (*good[:3], body + b" "),
    ):
        with pytest.raises(ApiError, match="signature we calculated does not match"):
            verifier.verify(*changed)


def test_a_canonical_request_and_its_string_to_sign_are_those_of_the_documentation() -> None:
    headers = {b"host": b"example.amazonaws.com", b"x-amz-date": DATE}
    signed = SignedHeaders([b"host", b"x-amz-date"])
    query = canonical.parameters(b"Param2=value2&Param1=value1")
    made = signed.request(b"GET", b"/", query, headers, b"")
    assert made.decode().split("\n") == [
        "GET",
        "/",
        "Param1=value1&Param2=value2",
        "host:example.amazonaws.com",
        "x-amz-date:20150830T123600Z",
        "",
        "host;x-amz-date",
        EMPTY,
    ]
    signer = Signer(KEY, b"20150830", b"us-east-1", b"service", signed)
    assert signer.scope == b"20150830/us-east-1/service/aws4_request"
    text = (
        b"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
        b"816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0"
    )
    assert signer.sign(text) == b"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"


def test_a_signing_key_is_that_of_the_documentation() -> None:
    """For 20150830, us-east-1 and iam: https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html."""
    signer = Signer(KEY, b"20150830", b"us-east-1", b"iam", SignedHeaders([b"host"]))
    text = (
        b"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        b"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    assert signer.sign(text) == b"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (b"/", b"/"),
        (b"//example//", b"/example/"),
        (b"/./example", b"/example"),
        (b"/example space/", b"/example%20space/"),
        (b"/a%2Fb", b"/a%252Fb"),
        (b"/../..", b"/"),
        (b"", b"/"),
    ],
)
def test_paths(path: bytes, form: bytes) -> None:
    made = SignedHeaders([b"host"]).request(b"POST", path, (), {}, b"")
    assert made.split(b"\n")[1] == form


@pytest.mark.parametrize(
    ("query", "form"),
    [
        (b"b=2&a=1", b"a=1&b=2"),
        (b"a=2&a=1&a", b"a=&a=1&a=2"),
        (b"a-b=1&a=1", b"a=1&a-b=1"),
        (b"&&a=1&", b"a=1"),
        (b"a=1=2", b"a=1%3D2"),
        (b"a=%7e%2f+b", b"a=~%2F%2Bb"),
        (b"X-Amz-Signature=x&a", b"a="),
    ],
)
def test_queries(query: bytes, form: bytes) -> None:
    made = SignedHeaders([b"host"]).request(b"GET", b"/", canonical.parameters(query), {}, b"")
    assert made.split(b"\n")[2] == form
