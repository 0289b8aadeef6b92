"""How often cached answers are wrong, and what may be served within a budget of errors. Pure: no I/O, no clock."""
