"""What twinpost knows of Envoy: its binary, its configuration, its admin interface."""
