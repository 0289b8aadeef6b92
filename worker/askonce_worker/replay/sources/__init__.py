"""What teams log: each kind of row as a call. The names of fields are those that their makers document."""
