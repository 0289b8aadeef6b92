"""How often cached answers are wrong, and what may be served within an error budget. Pure: no I/O, no clock."""
