"""The page at `/ui`: savings, matches, entries and work, over the client and the operator's view alone."""
