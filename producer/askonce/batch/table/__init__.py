"""A table becomes a table with answers: a prompt around each row makes questions of it, and answers become columns."""
