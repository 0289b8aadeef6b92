"""The cost of calls, by the providers' list prices or the user's own, in billionths of the currency."""
