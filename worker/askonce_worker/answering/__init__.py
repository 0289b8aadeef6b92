"""The pipeline from a claimed chunk to published answers, and the ports it needs."""
