"""Running a study: what is computed together (plan), and the loop that does it (run)."""
