"""Where people are registered: dated administrative codes.

Knows codes, names and days of validity; refuses to know citizens, callers or databases.
"""
