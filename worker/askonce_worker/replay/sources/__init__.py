"""Log formats: turns each kind of row into a call. The field names are those that each vendor documents."""
