"""Questions in flight: of all that ask nearly the same at one moment, over any number of workers, one asks the LLM."""
