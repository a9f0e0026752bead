"""The gateway called from pages in a real browser."""
