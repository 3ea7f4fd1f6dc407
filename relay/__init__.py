"""relay: the alert relay. Every error reaches the person who owns it, once per problem."""

__version__ = "0.1.0"
