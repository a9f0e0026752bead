"""Coverage-guided fuzzing of whatever reads bytes from callers."""
