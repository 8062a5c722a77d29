"""How the bundled models and tables were made, from public data, one command each."""
