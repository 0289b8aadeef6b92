"""A labelled stream of questions, replayed through the code that decides in production."""
