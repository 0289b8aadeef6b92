"""OpenAI's Batch API: files, batches of questions, and running them. Any number of processes share the work."""
