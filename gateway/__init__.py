"""The part that decides: who may ask, how often, for which fields, and what must be on record first.

Knows ports (`gateway.ports`), never redis, HTTP, SQL or files.
"""
