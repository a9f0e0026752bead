"""What callers see and what Kafka holds, through every door of a running gateway."""
