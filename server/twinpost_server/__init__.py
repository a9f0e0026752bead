"""twinpost: a gRPC and REST producer gateway for Apache Kafka."""

__version__ = "0.1.0"
__all__ = ["__version__"]
