"""Why a question is, or is not, answered from the cache."""
