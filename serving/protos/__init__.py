"""The service of the gateway, and its generated stubs: one set, for every program here."""
