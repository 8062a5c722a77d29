"""Measurements of speed and quality, each one command."""
