"""What is to be simulated, as pure data: processes and conditions, strategies, replicates."""
