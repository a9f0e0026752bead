"""Clients as others write them, against a running gateway."""
