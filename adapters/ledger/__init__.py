"""The ledger: the journals once more, in SQL, so that they can be searched and counted.

Derived data: it can be dropped and built again from the journals, but for the counts of records that retention has
removed, which live here alone.
"""
