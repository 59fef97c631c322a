"""The unified model: BAGEL's architecture, batched, loading checkpoints by the official parameter names."""
