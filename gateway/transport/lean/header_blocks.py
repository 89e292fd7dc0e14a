"""Header blocks (RFC 7541): those of requests are decoded by `hpack`, those of replies are written by hand.

Decoding is remembered where that is provably right. What a block says depends on its bytes and on the table, and on
nothing else; the table changes by insertions and by changes of its size, and each of them raises its generation. So a
block that left the generation as it was says the same again for as long as the generation stays.

Replies use no table: nothing to keep for a peer, nothing for it to probe (RFC 7541 §7.1).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from gateway.transport.lean.frames import ConnectionFaultError, ErrorCode, StreamFaultError
from gateway.transport.lean.request_head import RequestHead, head_of

MAX_LIST_BYTES = 65_536
"""Of decoded fields. Beyond it decoding stops in the middle, so that a small block cannot become a large one; the
connection cannot go on then."""

_REMEMBERED = 128
_REMEMBERED_BYTES = 1_024

NO_TABLE = b"\x20"
"""Before the first block of a connection: its encoder keeps a table of size 0, whatever size the peer allows."""


class _CountingTable(HeaderTable):
    """A table that knows how often it changed."""

    generation = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.generation += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.generation += 1
        HeaderTable.maxsize.fset(self, newmax)  # type: ignore[attr-defined]  # a property, which mypy takes for an int


class HeaderReader:
    """Decodes the header blocks of one connection, in the order they came."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_LIST_BYTES)
        self._table = _CountingTable()
        self._decoder.header_table = self._table
        self._known: dict[bytes, RequestHead] = {}
        self._known_at = 0

    def read(self, block: bytes) -> RequestHead:
        """What a block asks for.

        Raises `StreamFaultError` for a malformed request, `ConnectionFaultError` where the two tables are no longer
        one.
        """
        before = self._table.generation
        if before != self._known_at:
            self._known.clear()
            self._known_at = before
        known = self._known.get(block)
        if known is not None:
            return known
        head = head_of(self.fields(block))
        if self._table.generation == before and len(block) <= _REMEMBERED_BYTES:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[block] = head
        return head

    def fields(self, block: bytes) -> Iterable[tuple[bytes, bytes]]:
        """The fields of a block, as they are."""
        try:
            fields: Iterable[tuple[bytes, bytes]] = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "header list too large") from error
        except (HPACKError, IndexError, ValueError) as error:
            raise ConnectionFaultError(ErrorCode.COMPRESSION_ERROR, "header block") from error
        return fields

    def skip(self, block: bytes) -> None:
        """Keep the table right for a block that nobody needs."""
        try:
            self.read(block)
        except StreamFaultError:
            return


def _text(value: bytes) -> bytes:
    length = len(value)
    if length < 127:
        return bytes((length,)) + value
    prefix = bytearray((127,))
    length -= 127
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + value


@lru_cache(maxsize=256)
def _name(name: str) -> bytes:
    return b"\x00" + _text(name.encode("ascii"))


def field(name: str, value: str) -> bytes:
    """One field, literal and without indexing (RFC 7541 §6.2.2)."""
    return _name(name) + _text(value.encode("ascii", "replace"))


def trailers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The trailers of an answer."""
    return _OK + b"".join([_name(name) + _text(value.encode("ascii", "replace")) for name, value in pairs])


def refusal(code: int, message: str, *, pairs: Iterable[tuple[str, str]] = (), details: bytes = b"") -> bytes:
    """The trailers of a refusal."""
    block = field("grpc-status", str(code))
    if message:
        block += field("grpc-message", quote(message, safe=_UNQUOTED))
    block += b"".join(field(name, value) for name, value in pairs)
    if details:
        block += field("grpc-status-details-bin", base64.b64encode(details).rstrip(b"=").decode())
    return block


@lru_cache(maxsize=64)
def http_refusal(status: int) -> bytes:
    """The whole response to what is no gRPC."""
    return field(":status", str(status))


_UNQUOTED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_OK = field("grpc-status", "0")
# Static table: 8 is `:status: 200`, 31 the name `content-type`.
RESPONSE = b"\x88\x0f\x10" + _text(b"application/grpc")
"""The headers before the messages of an answer, and, with trailers behind them in one block, of a refusal at once."""
ACCEPTED_ENCODINGS = (("grpc-accept-encoding", "identity"),)
