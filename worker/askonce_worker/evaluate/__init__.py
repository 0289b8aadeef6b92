"""How well an embedding model and the guard tell questions apart, measured on labelled pairs."""
