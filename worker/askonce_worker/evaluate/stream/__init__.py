"""A labelled stream of questions, played through what decides in production."""
