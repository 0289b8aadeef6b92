"""Whether one question may have the answer of another: thresholds, guard, and what is never kept. Pure."""
