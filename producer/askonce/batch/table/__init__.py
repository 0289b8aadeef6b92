"""Adds answers to a table: a prompt turns each row into a question, and answers become columns."""
