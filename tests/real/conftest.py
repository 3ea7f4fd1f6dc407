"""Fixtures of the tests with real servers: those of the backends' tests."""

from tests.backends.conftest import door, session

__all__ = ["door", "session"]
