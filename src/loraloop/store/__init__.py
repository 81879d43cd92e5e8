"""Where values live: a database for values, folders for artifacts."""
