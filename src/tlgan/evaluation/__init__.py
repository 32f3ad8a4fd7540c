"""Is an axis true, is an edit clean: numbers, and a report with pictures."""
