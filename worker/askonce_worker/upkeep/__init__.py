"""Keeps the cache right in the background: removes what has expired, is too much, is invalid, or is on one side only.

Nothing here decides what a lookup may answer: every read checks that (expiry, epochs, scope). So upkeep may come late,
stop at any point and be repeated.
"""
