"""The Kafka edge against clusters of a special kind: with identities and rights, and with more than one broker."""
