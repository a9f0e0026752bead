"""Envoy with this project's configuration, in front of workers without Kafka."""
