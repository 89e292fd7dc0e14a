"""How an answer leaves: whole, as an error, or spoilt by a fault.

Owns bytes on the connection. Refuses to know what the answer says and why a fault was drawn.
"""

import asyncio
import socket
import struct
from collections.abc import Iterable
from typing import Any, Final

import orjson
from aiohttp import web

from mock_national_db.requests import Violation

JSON: Final = "application/json"
_PADDING: Final = b"x" * 65536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_DRIPS_PER_SECOND: Final = 10

_MESSAGES: Final = {
    "YEU_CAU_SAI": "Yêu cầu không hợp lệ.",
    "CHUA_XAC_THUC": "Chưa xác thực.",
    "KHONG_CO_DUONG_DAN": "Đường dẫn không tồn tại.",
    "SAI_PHUONG_THUC": "Phương thức không được phép.",
    "KHOA_DA_DUNG": "Khóa chống lặp đã được dùng cho một yêu cầu khác.",
    "QUA_LON": "Yêu cầu quá lớn.",
    "LOI_HE_THONG": "Lỗi hệ thống.",
    "TAM_NGUNG": "Hệ thống tạm ngừng.",
}


def whole(payload: bytes, *, status: int = 200) -> web.Response:
    """Return the answer as it should be."""
    return web.Response(body=payload, status=status, content_type=JSON)


def error(status: int, code: str, violations: Iterable[Violation] = ()) -> web.Response:
    """Return the error body that all refusals share."""
    body: dict[str, Any] = {"MaLoi": code, "ThongDiep": _MESSAGES[code]}
    details = [{"Truong": field, "LyDo": reason} for field, reason in violations]
    if details:
        body["ChiTiet"] = details
    return whole(orjson.dumps(body), status=status)


def reset(request: web.Request) -> web.Response:
    """Break the connection with a TCP reset; the response returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


async def truncated(request: web.Request, payload: bytes) -> web.StreamResponse:
    """Promise the whole answer, send half of it and close."""
    response = await _start(request, len(payload))
    response.force_close()
    await response.write(payload[: len(payload) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def dripping(request: web.Request, payload: bytes, *, bytes_per_second: int) -> web.StreamResponse:
    """Send the right answer slowly."""
    response = await _start(request, len(payload))
    step = max(1, bytes_per_second // _DRIPS_PER_SECOND)
    for at in range(0, len(payload), step):
        await response.write(payload[at : at + step])
        await asyncio.sleep(step / bytes_per_second)
    return response


async def oversized(request: web.Request, payload: bytes, *, padding: int) -> web.StreamResponse:
    """Send the right answer, still valid JSON, with `padding` bytes more of it; never held in memory."""
    opening, closing = payload[:-1] + b',"Dem":"', b'"}'
    response = await _start(request, len(opening) + padding + len(closing))
    await response.write(opening)
    for sent in range(0, padding, len(_PADDING)):
        await response.write(_PADDING[: padding - sent])
    await response.write(closing)
    return response


def garbled(payload: bytes) -> web.Response:
    """Return bytes that look like an answer and are not JSON."""
    return whole(payload[: len(payload) // 2] + b"\x00<?")


async def _start(request: web.Request, length: int) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = JSON
    response.content_length = length
    await response.prepare(request)
    return response
