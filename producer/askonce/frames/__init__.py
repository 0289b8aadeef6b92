"""Data frames: a question for each row, with its answer in new columns. Needs pyarrow (`askonce[tables]`)."""
