"""Results on disk: tables, the folder they live in, where they came from, and reading them back."""
