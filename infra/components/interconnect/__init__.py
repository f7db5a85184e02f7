"""The mesh of tunnels between the three sites."""
