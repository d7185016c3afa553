"""The history of the gateway's table."""
