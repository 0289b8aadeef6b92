"""OpenAI's Batch API: files, batches of questions, and running them. Any number of processes can share the work."""
