"""One small file per kind of check. A probe looks once, and says what it found, or raises a named error."""
