"""The event log in Apache Kafka: how events travel in production (docs/adr/0007)."""
