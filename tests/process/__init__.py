"""Real processes: starting, failing, being replaced and stopping."""
