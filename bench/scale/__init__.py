"""Growth: what more workers, users, connections and topics cost. One file for each."""
