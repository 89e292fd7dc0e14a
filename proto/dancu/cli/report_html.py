"""The report as one HTML file that needs nothing else: no network, no other file; charts, screens and paper.

Owns the page and its charts. The charts' library is the one in plotly's wheel, embedded whole; a policy in the page
forbids the browser to fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Any

from dancu.cli.output import Language
from dancu.cli.report_numbers import KINDS, MINISTRY, Organisation, Report, Tally
from dancu.cli.report_tables import (
    By,
    Table,
    breakdown,
    empty_text,
    headline,
    headline_text,
    method_table,
    period_name,
    period_table,
    refusal_table,
    remarks,
    text,
    title,
)

_COPIES = "#2a9d8f"
_UPSTREAM = "#264653"
_REFUSED = "#c8553d"
_BAR_PIXELS = 26
_MOST_BARS = 40

_STYLE = """
:root { color-scheme: light; --ink: #1d2b33; --soft: #5c6b73; --line: #d9e0e3; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p.span, p.remark, footer { color: var(--soft); }
p.span { margin: .2rem 0 1.6rem; }
p.remark { font-size: .875rem; margin: .6rem 0 0; }
p.empty { font-size: 1.1rem; margin: 3rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 0; }
dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: .1rem 0 0; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { border-bottom: 2px solid var(--ink); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
footer { margin-top: 3rem; font-size: .85rem; }
@media print {
  @page { size: A4; margin: 15mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  tr, .chart, dl div { break-inside: avoid; }
  thead { display: table-header-group; }
  .wide { overflow: visible; }
}
"""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def html(report: Report, *, by: By, span_text: str, language: Language, days: bool) -> Iterator[str]:
    """The page in pieces; the library of the charts is the largest, about 5 MB, and is left out of an empty report."""
    heading = escape(title(language))
    yield (
        f'<!doctype html>\n<html lang="{language.value}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{heading}</h1>\n<p class="span">{escape(_capital(span_text))}</p>\n'
    )
    if report.empty:
        yield f'<p class="empty">{escape(empty_text(language))}</p>\n'
    else:
        yield _headline(report, language)
        charts = _charts(report, by, language, days=days)
        for name, heading_of_chart, _ in charts:
            yield f'<section class="chart"><h2>{escape(heading_of_chart)}</h2><div id="{name}"></div></section>\n'
        tables = breakdown(report, by, language, days=days)
        if by is not By.MONTH:
            tables.append(period_table(report, language, days=days))
        if report.refusals:
            tables.append(refusal_table(report, language))
        for table in (*tables, method_table(report, language)):
            yield _table(table, language)
        yield f"<script>{_library()}</script>\n<script>\n"
        for name, _, figure in charts:
            yield f"Plotly.newPlot({_js(name)}, {_js(figure['data'])}, {_js(figure['layout'])}, {_js(_CONFIG)});\n"
        yield "</script>\n"
    notes = "".join(f"<p>{escape(remark)}</p>" for remark in remarks(report, language))
    yield f"<footer>{notes}</footer>\n</body>\n</html>\n"


_CONFIG = {"responsive": True, "displayModeBar": False, "showTips": False}


def _headline(report: Report, language: Language) -> str:
    boxes = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(headline_text(cell, language))}</dd></div>"
        for label, cell in headline(report, language)
    )
    return f"<dl>{boxes}</dl>\n"


def _table(table: Table, language: Language) -> str:
    if not table.rows:
        return f'<section><h2>{escape(table.title)}</h2><p class="remark">{escape(table.remark)}</p></section>\n'
    # A column is one of numbers where its first row holds one.
    kinds = ["" if isinstance(cell, str) else ' class="n"' for cell in table.rows[0]]
    heads = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(table.columns, kinds, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(text(cell, language))}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>\n"
        for row in table.rows
    )
    remark = f'<p class="remark">{escape(table.remark)}</p>' if table.remark else ""
    return (
        f'<section><h2>{escape(table.title)}</h2><div class="wide"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>{remark}</section>\n"
    )


def _charts(report: Report, by: By, language: Language, *, days: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Identifier, heading and figure of each chart."""
    of = language.of
    lookups = of("Lookups answered", "Lượt tra cứu được trả lời")
    charts = [("over-time", of("Over time", "Theo thời gian"), _over_time(report, language, days=days))]
    for kind in KINDS:
        shown = [one for one in report.of_kind(kind) if one[1].lookups][:_MOST_BARS]
        if by is By.MONTH or not shown or (by is By.PROVINCE and kind == MINISTRY):
            continue
        who = of("ministry", "bộ, ngành") if kind == MINISTRY else of("province", "địa phương")
        charts.append((f"by-{kind}", of(f"{lookups} per {who}", f"{lookups} theo {who}"), _bars(shown, language)))
    if report.refusals:
        figure = _figure(
            [
                {
                    "type": "bar",
                    "orientation": "h",
                    "y": [reason for reason, _ in reversed(report.refusals)],
                    "x": [calls for _, calls in reversed(report.refusals)],
                    "marker": {"color": _REFUSED},
                }
            ],
            language,
            bars=len(report.refusals),
        )
        charts.append(("refusals", of("Refusals by cause", "Từ chối theo nguyên nhân"), figure))
    return charts


def _over_time(report: Report, language: Language, *, days: bool) -> dict[str, Any]:
    names = [period_name(period, language, days=days) for period in report.periods]
    tallies = [period.tally for period in report.periods]
    figure = _figure(_stacked(names, tallies, language, along="x"), language, bars=0)
    # Names of months would otherwise be read as dates and spread over days.
    figure["layout"]["xaxis"] = {"type": "category", "automargin": True}
    figure["layout"]["yaxis"] = {"automargin": True, "rangemode": "tozero", "gridcolor": "#e6ebed", "tickformat": ",d"}
    return figure


def _bars(shown: Sequence[tuple[Organisation, Tally]], language: Language) -> dict[str, Any]:
    names = [one.name for one, _ in reversed(shown)]
    tallies = [tally for _, tally in reversed(shown)]
    return _figure(_stacked(names, tallies, language, along="y"), language, bars=len(shown))


def _stacked(names: list[str], tallies: Sequence[Tally], language: Language, *, along: str) -> list[dict[str, Any]]:
    values = "y" if along == "x" else "x"
    parts = [
        (
            language.of("National database", "CSDL quốc gia"),
            _UPSTREAM,
            [one.lookups - one.from_copies for one in tallies],
        ),
        (language.of("Gateway's copies", "Bản sao tại cổng"), _COPIES, [one.from_copies for one in tallies]),
    ]
    return [
        {
            "type": "bar",
            "orientation": "v" if along == "x" else "h",
            "name": name,
            along: names,
            values: counts,
            "marker": {"color": color},
        }
        for name, color, counts in parts
    ]


def _figure(data: list[dict[str, Any]], language: Language, *, bars: int) -> dict[str, Any]:
    return {
        "data": data,
        "layout": {
            "barmode": "stack",
            "separators": language.of(".,", ",."),
            "height": max(160, 90 + _BAR_PIXELS * bars) if bars else 320,
            "margin": {"l": 10, "r": 20, "t": 10, "b": 40},
            "paper_bgcolor": "#fff",
            "plot_bgcolor": "#fff",
            "font": {"family": "system-ui, Segoe UI, Roboto, Noto Sans, Arial, sans-serif", "size": 13},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "showlegend": len(data) > 1,
            "xaxis": {"automargin": True, "rangemode": "tozero", "gridcolor": "#e6ebed", "tickformat": ",d"},
            "yaxis": {"automargin": True, "type": "category"},
        },
    }


def _library() -> str:
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _js(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it closes one."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
