"""Data frames: a question for each row, and its answer beside it. Needs pyarrow, of the extra `askonce[tables]`."""
