"""Engines: where attempts run."""
