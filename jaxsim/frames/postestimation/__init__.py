"""What one asks of a fit after its table: predictions, tests, means, intervals, pictures."""
