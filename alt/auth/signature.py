"""AWS Signature Version 4: whether a request was signed by who holds the secret of a known access key.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
The checks and their order are the service's (`refusals.py`). It is stricter in one thing that AWS asks of its own
clients: every header `X-Amz-*` that is sent must be signed, so that nobody adds one on the way.
"""

from __future__ import annotations

import hmac
import re
import time
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from alt.auth import canonical, claims, refusals
from alt.auth.canonical import SignedHeaders
from alt.auth.claims import Claim
from alt.auth.keys import AccessKey, Scope

ALGORITHM = b"AWS4-HMAC-SHA256"
SERVICE = b"dynamodb"
TERMINATOR = b"aws4_request"
# Headers that mean one thing each. Sent twice, whoever reads another one of them sees another request.
SINGLE = (b"authorization", b"host", b"x-amz-target", b"x-amz-date", b"date", b"x-amz-security-token")
# Clients sign in the same way all day: what was read before, and dates as read, each at most so many.
MAX_KNOWN = 1_024

_DATE = re.compile(rb"\d{8}T\d{6}Z")
_DATE_FORM = "%Y%m%dT%H%M%SZ"
_REGION = re.compile(rb"[A-Za-z0-9-]{1,64}")
_CREDENTIAL_PARTS = 5
_INNER_PAD, _OUTER_PAD = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_NO_REPEATS: Mapping[bytes, bytes] = {}


class Signer:
    """An access key as it signs these headers on one day, for one region."""

    __slots__ = ("_inner", "_outer", "day", "key", "names_seen", "scope", "signed", "whose")

    def __init__(
        self, key: AccessKey, day: bytes, region: bytes, service: bytes, signed: SignedHeaders
    ) -> None:
        self.key = key
        self.day = day
        self.whose = Scope(key.id, region.decode())
        self.scope = b"/".join((day, region, service, TERMINATOR))
        self.signed = signed
        # HMAC as it is defined (RFC 2104), begun with the key: for a short text half of the work is beginning.
        signing_key = _signing_key(key.secret.encode(), day, region, service).ljust(
            sha256().block_size, b"\0"
        )
        self._inner = sha256(signing_key.translate(_INNER_PAD))
        self._outer = sha256(signing_key.translate(_OUTER_PAD))
        # Of the last request's headers, where all are signed that must be.
        self.names_seen: tuple[bytes, ...] = ()

    def sign(self, string_to_sign: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(string_to_sign)
        outer.update(inner.digest())
        return outer.hexdigest().encode()


class Verifier:
    """Verifies requests by the access keys it was last given. `clock` gives epoch seconds.

    It may be asked on several threads at once: all it changes is what it remembers.
    """

    def __init__(self, clock: Callable[[], float] = time.time, service: bytes = SERVICE) -> None:
        self._clock = clock
        self._service = service
        self._keys: Mapping[str, AccessKey] = {}
        self._keys_of: Mapping[str, Sequence[AccessKey]] = {}  # by their users' names
        self._signers: dict[bytes, Signer] = {}  # by the header Authorization up to its signature
        self._moments: dict[bytes, int] = {}

    def know(self, keys: Mapping[str, AccessKey]) -> None:
        """Verify by these keys, by their ids, and by no other from now on."""
        self._keys = keys
        keys_of: dict[str, list[AccessKey]] = {}
        for key in keys.values():
            keys_of.setdefault(key.name, []).append(key)
        self._keys_of = keys_of
        self._signers = {}

    def certified(self, common_name: str) -> AccessKey:
        """The key of who has shown a certificate: the one of that id, or the only one of that user.

        Raises ApiError where there is none, or it could be several.
        """
        found = self._keys.get(common_name)
        if found is not None:
            return found
        keys = self._keys_of.get(common_name, ())
        if len(keys) != 1:
            raise refusals.uncertified(common_name, len(keys))
        return keys[0]

    def verify(
        self,
        method: bytes,
        url: bytes,
        headers: Mapping[bytes, bytes],
        body: bytes,
        repeated: Mapping[bytes, bytes] = _NO_REPEATS,
    ) -> Signer:
        """Who signed the request. Raises the ApiError that the service answers to one that is not signed well.

        `headers` by lower-case name; `repeated` are those that came several times, their values joined by commas.
        """
        if repeated:
            headers = _joined(headers, repeated)
        path, _, text = url.partition(b"?")
        query = canonical.parameters(text) if text else ()
        signers = self._signers
        begin, _, signature = headers.get(b"authorization", b"").strip().rpartition(b"Signature=")
        date = headers.get(b"x-amz-date", b"").strip()
        signer = signers.get(begin) if date and not text else None
        is_known = signer is not None
        if signer is not None:
            self._check_time(date, claims.SKEW_SECONDS)
        else:
            claim = _claim(headers, query)
            signer = self._signer(claim)
            signature, date = claim.signature, claim.date
        _check_all_signed(signer, headers)
        if date[:8] != signer.day:
            raise refusals.invalid(_other_day(signer.day, date))
        form = signer.signed.request(method, path, query, headers, body)
        string_to_sign = b"%b\n%b\n%b\n%b" % (
            ALGORITHM,
            date,
            signer.scope,
            sha256(form).hexdigest().encode(),
        )
        if not hmac.compare_digest(signer.sign(string_to_sign), signature):
            raise refusals.mismatch(form, string_to_sign)
        if b"x-amz-security-token" in headers or any(name == claims.TOKEN_PARAMETER for name, _ in query):
            raise refusals.unknown_session()
        if not is_known and begin and not text and signers is self._signers:
            # Only who holds a secret is remembered, so nobody else can fill this.
            _make_room(signers)
            signers[begin] = signer
        return signer

    def _signer(self, claim: Claim) -> Signer:
        """Whose signature a claim says it is. Raises ApiError where it cannot be anybody's."""
        self._check_time(claim.date, claim.seconds)
        names = sorted({name for name in claim.signed_headers.lower().split(b";") if name})
        if b"host" not in names:
            raise refusals.invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
        signed = SignedHeaders(names)
        if claim.algorithm != ALGORITHM:
            raise refusals.incomplete(
                f"Unsupported AWS 'algorithm': '{_shown(claim.algorithm)}' (only {ALGORITHM.decode()} for now). "
            )
        credential = claim.credential.rstrip(b"/")
        parts = credential.split(b"/")
        if len(parts) != _CREDENTIAL_PARTS:
            raise refusals.incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
                f"got '{_shown(credential)}'"
            )
        key_id, day, region, service, terminator = parts
        problems = []
        if not _REGION.fullmatch(region):
            problems.append(f"Credential should be scoped to a valid region, not '{_shown(region)}'. ")
        if service != self._service:
            problems.append(f"Credential should be scoped to correct service: '{_shown(self._service)}'. ")
        if terminator != TERMINATOR:
            problems.append(
                f"Credential should be scoped with a valid terminator: '{TERMINATOR.decode()}', "
                f"not '{_shown(terminator)}'. "
            )
        if day != claim.date[:8]:
            problems.append(_other_day(day, claim.date))
        if problems:
            raise refusals.invalid("".join(problems))
        key = self._keys.get(key_id.decode("latin-1"))
        if key is None:
            raise refusals.unknown_key()
        return Signer(key, day, region, service, signed)

    def _check_time(self, date: bytes, seconds: int) -> None:
        """Raise ApiError unless a request of this date may come now. It is good for so many seconds."""
        moment = self._moments.get(date)
        if moment is None:
            moment = _moment(date)
            _make_room(self._moments)
            self._moments[date] = moment
        now = int(self._clock())
        if now - seconds > moment:
            raise refusals.invalid(
                f"Signature expired: {date.decode()} is now earlier than {_date(now - seconds)} "
                f"({_date(now)} - {_span(seconds)})"
            )
        if now + claims.SKEW_SECONDS < moment:
            raise refusals.invalid(
                f"Signature not yet current: {date.decode()} is still later than "
                f"{_date(now + claims.SKEW_SECONDS)} ({_date(now)} + {_span(claims.SKEW_SECONDS)})"
            )


def is_signed(url: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request claims to be signed, well or not."""
    return b"authorization" in headers or claims.is_presigned(canonical.parameters(url.partition(b"?")[2]))


def _claim(headers: Mapping[bytes, bytes], query: claims.Parameters) -> Claim:
    if not claims.is_presigned(query):
        return claims.in_header(headers)
    if b"authorization" in headers:
        raise refusals.invalid(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
        )
    return claims.in_query(query)


def _check_all_signed(signer: Signer, headers: Mapping[bytes, bytes]) -> None:
    names = tuple(headers)
    if names == signer.names_seen:
        return
    for name in names:
        if name.startswith(b"x-amz-") and name not in signer.signed.names:
            raise refusals.invalid(f"'{_shown(name)}' must be a 'SignedHeader' in the AWS Authorization.")
    signer.names_seen = names


def _joined(headers: Mapping[bytes, bytes], repeated: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    for name in SINGLE:
        if name in repeated:
            raise refusals.incomplete(f"The header '{_shown(name)}' must not be sent more than once.")
    return {**headers, **repeated}


def _signing_key(secret: bytes, day: bytes, region: bytes, service: bytes) -> bytes:
    key = b"AWS4" + secret
    for part in (day, region, service, TERMINATOR):
        key = hmac.digest(key, part, "sha256")
    return key


def _other_day(day: bytes, date: bytes) -> str:
    return (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'{_shown(day)}' != '{_shown(date[:8])}', from '{_shown(date)}'."
    )


def _moment(date: bytes) -> int:
    """Epoch seconds of a date as it is signed. Raises ApiError for what is none."""
    if _DATE.fullmatch(date):
        try:
            return timegm(time.strptime(date.decode(), _DATE_FORM))
        except ValueError:
            pass
    raise refusals.incomplete(
        f"Date must be in ISO-8601 'basic format'. Got '{_shown(date)}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def _date(moment: int) -> str:
    return time.strftime(_DATE_FORM, time.gmtime(moment))


def _span(seconds: int) -> str:
    return f"{seconds} sec." if seconds % 60 else f"{seconds // 60} min."


def _make_room(known: dict[bytes, Any]) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()


def _shown(sent: bytes) -> str:
    return sent.decode("latin-1")
