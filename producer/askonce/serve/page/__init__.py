"""The page at `/ui`: savings, matches, entries and work. It uses only the client and the operator's view."""
