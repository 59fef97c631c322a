"""How an image is judged: verifiers, readings, combinations."""
