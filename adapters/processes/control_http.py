"""The HTTP side of the control process: health for load balancers, metrics for Prometheus, a start page.

    GET /          what is here
    GET /healthz   200 while this process lives
    GET /readyz    200 while callers are served, else 503; JSON that names each check
    GET /metrics   the numbers of all processes of this machine

Owns paths, codes and headers. Knows nothing of how readiness is found out. No answer repeats what was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import hdrs, web

from adapters.processes.control_health import Readiness

Scrape = Callable[[str], tuple[bytes, str]]
"""From an `Accept` header to the body and its content type; may block."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_START_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>dancu</title>
<style>body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>dancu</h1>
<p>The gateway to the national population database is running on this machine.</p>
<ul>
<li><a href="/readyz">/readyz</a>: whether callers are served, and each dependency</li>
<li><a href="/healthz">/healthz</a>: whether this process lives</li>
<li><a href="/metrics">/metrics</a>: numbers for Prometheus</li>
</ul>
</html>
"""


def application(
    *, readiness: Readiness, scrape: Scrape, routes: Iterable[web.AbstractRouteDef] = ()
) -> web.Application:
    """The application. `routes` are added to its own; a route for `/` there replaces the start page."""
    app = web.Application()
    app.on_response_prepare.append(_add_headers)
    added = list(routes)
    app.add_routes(added)
    taken = {route.path for route in added if isinstance(route, web.RouteDef)}
    own = {
        "/": _start_page,
        "/healthz": _healthz,
        "/readyz": _readyz(readiness),
        "/metrics": _metrics(scrape),
    }
    # GET routes answer HEAD too.
    app.add_routes([web.get(path, handler) for path, handler in own.items() if path not in taken])
    return app


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # The library's own names its version and Python's.
    response.headers[hdrs.SERVER] = "dancu"


async def _start_page(_request: web.Request) -> web.Response:
    return web.Response(text=_START_PAGE, content_type="text/html")


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(readiness: Readiness) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_request: web.Request) -> web.Response:
        report = await readiness.report()
        body = {
            "ready": report.ready,
            "degraded": list(report.degraded),
            "checks": {
                finding.name: {"ok": finding.ok, "required": finding.required, "detail": finding.detail}
                for finding in report.findings
            },
        }
        return web.Response(
            body=orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE),
            status=200 if report.ready else 503,
            content_type="application/json",
        )

    return handler


def _metrics(scrape: Scrape) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        body, content_type = await asyncio.to_thread(scrape, request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    return handler
