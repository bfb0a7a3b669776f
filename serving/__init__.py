"""The gateway, its client, and an embedded model server."""
