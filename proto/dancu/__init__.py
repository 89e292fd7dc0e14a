"""Dancu: the public contract (generated stubs), the client library and the command line."""
