"""Backends: each file hands one message to one address of one service, once."""
