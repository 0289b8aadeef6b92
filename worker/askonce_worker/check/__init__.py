"""What is configured, what answers, and what to do about the rest."""
