"""Measures the bars of the design: contestants side by side, under load from outside their processes.

    wire ── caller ───────┐                         spread ── bars ── table
    h2load ───────────────┼── rounds ── run ────────┘
    servers ── contestants┘

Knows the gateway as its callers do, and its parts only where a step is timed or left out on purpose. Nothing of the
gateway knows it.
"""
