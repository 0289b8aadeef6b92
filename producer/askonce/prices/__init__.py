"""What calls cost: by the list prices of the providers or by the user's own, in billionths of the currency."""
