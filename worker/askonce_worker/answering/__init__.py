"""The way of a question from a claimed chunk to its published answer, and the ports that it needs."""
