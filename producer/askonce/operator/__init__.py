"""An operator's view: live figures, dead letters, warming the cache."""
