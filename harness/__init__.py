"""Runs a model, records what happened, and holds the command line."""
