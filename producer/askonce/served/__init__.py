"""OpenAI's Batch API, served: files, batches of questions, and who answers them. Any number of processes share them."""
