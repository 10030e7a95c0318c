"""Solvers, one file a method: explicit states, no loops, no data."""
