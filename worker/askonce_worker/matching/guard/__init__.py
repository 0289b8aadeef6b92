"""Rules for differences that an embedding cannot see: numbers, names, a `not`, opposites."""
