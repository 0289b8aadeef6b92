"""Whether one question may get another's answer: thresholds, guard, and what is never cached. Pure."""
