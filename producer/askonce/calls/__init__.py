"""What a `Client` can be asked to do, by subject: one question, many questions, jobs, the cache."""
