"""Exchange rates: what a unit of another currency is worth in the programme's, from which day on."""
