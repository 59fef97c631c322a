"""Improves a model."""
