"""What an embedding cannot see: that a number differs, a name, a `not`, an opposite."""
