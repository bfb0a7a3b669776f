"""Version 1 of the gateway's messages."""
