"""Tests; a package so that its small models and verifiers can be named on the command line."""
