"""Background maintenance of the cache: removes expired, excess and invalid entries, and those on one side only.

Nothing here decides what a lookup may return: every read checks that (expiry, epochs, scope). So upkeep may run late,
stop at any point and be repeated.
"""
