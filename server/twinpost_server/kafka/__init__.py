"""The Kafka edge: the only package that knows confluent_kafka."""
