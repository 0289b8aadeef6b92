"""Reports what is configured, what responds, and what to do about the rest."""
