"""Questions in flight: of concurrent near-duplicates, over any number of workers, only one calls the LLM."""
