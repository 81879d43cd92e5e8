"""Dataset -> Adapter: the training itself."""
