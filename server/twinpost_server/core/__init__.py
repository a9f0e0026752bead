"""The pure centre: records, rules and outcomes, free of loops, sockets and Kafka clients."""
