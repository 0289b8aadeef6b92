"""Keeping the cache right in the background: what has expired, is too much, is invalid, or stands on one side only.

Nothing here decides what a lookup may answer: that is checked on every read (expiry, epochs, scope). So upkeep may come
late, stop at any point and be repeated.
"""
