"""The web page and the REST service of the gateway: a client of its gRPC service that speaks HTTP."""
