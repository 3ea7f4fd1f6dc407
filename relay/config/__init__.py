"""rules.yaml -> Config, or every problem in it."""
