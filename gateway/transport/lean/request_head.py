"""From decoded header fields to what they ask for (RFC 9113 §8, the gRPC protocol over HTTP/2).

Owns which fields a request must and must not have, and what of them reaches a call as metadata. Refuses to know how
they were encoded and what is done about a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.transport.lean.frames import ErrorCode, StreamFaultError

MAX_METADATA_BYTES = 16_384
"""Of all fields, counted as RFC 9113 §6.5.2 does: name, value and 32 for each."""

_NAME = re.compile(rb":?[0-9a-z!#$%&'*+.^_`|~-]+")
# What gRPC calls an ASCII-Value. It keeps NUL, CR and LF out, as RFC 9113 §8.2.1 asks.
_VALUE = re.compile(rb"[\x20-\x7e]*")
_CONTENT_TYPE = re.compile(r"application/grpc(\+proto)?(;.*)?")
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST_TIMEOUT = 365 * 86_400.0
_PSEUDO = frozenset({":method", ":scheme", ":path", ":authority"})
_OF_HTTP_1 = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
_OF_THE_PROTOCOL = frozenset({"te", "content-type", "content-length", "host"})


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What the header fields of a request say."""

    path: str
    """With its leading slash."""
    metadata: Mapping[str, str]
    """ASCII metadata; the last of a repeated name."""
    timeout_seconds: float | None
    encoding: str
    """`grpc-encoding`; empty or `identity`: messages are as they are."""
    http_status: int
    """200, or the HTTP status that refuses what is no gRPC at all."""
    too_large: bool
    """Whether there is more metadata than is taken."""


def head_of(fields: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Read the fields of a request. Raises `StreamFaultError` (PROTOCOL_ERROR) for a malformed one."""
    pseudo: dict[str, str] = {}
    told: dict[str, str] = {}
    size = 0
    regular = False
    for raw_name, raw_value in fields:
        size += len(raw_name) + len(raw_value) + 32
        if not _NAME.fullmatch(raw_name) or (raw_name[-4:] != b"-bin" and not _VALUE.fullmatch(raw_value)):
            raise _malformed("characters of a header field")
        name = raw_name.decode()
        if name[0] == ":":
            if regular or name in pseudo or name not in _PSEUDO:
                raise _malformed("pseudo-header fields")
            pseudo[name] = raw_value.decode()
            continue
        regular = True
        if name in _OF_HTTP_1:
            raise _malformed("header fields of HTTP/1")
        # Binary metadata is not part of the contract.
        if raw_name[-4:] != b"-bin":
            told[name] = raw_value.decode().strip()
    if told.get("te", "trailers") != "trailers" or not pseudo.keys() >= {":method", ":scheme", ":path"}:
        raise _malformed("fields that every request has")
    return RequestHead(
        path=pseudo[":path"],
        metadata={
            name: value for name, value in told.items() if name not in _OF_THE_PROTOCOL and not name.startswith("grpc-")
        },
        timeout_seconds=_timeout_of(told.get("grpc-timeout")),
        encoding=told.get("grpc-encoding", ""),
        http_status=_http_status(pseudo[":method"], told.get("content-type", "")),
        too_large=size > MAX_METADATA_BYTES,
    )


def _http_status(method: str, content_type: str) -> int:
    if method != "POST":
        return 405
    return 200 if _CONTENT_TYPE.fullmatch(content_type) else 415


def _timeout_of(told: str | None) -> float | None:
    if told is None:
        return None
    match = _TIMEOUT.fullmatch(told)
    if match is None:
        raise _malformed("grpc-timeout")
    return min(int(match[1]) * _UNIT_SECONDS[match[2]], _LONGEST_TIMEOUT)


def _malformed(cause: str) -> StreamFaultError:
    return StreamFaultError(ErrorCode.PROTOCOL_ERROR, cause)
