"""What may be spent on a verifier: calls, and money by the tokens a server counts."""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1e6


@dataclass(slots=True)
class Budget:
    """Counts what was spent and says when no further call may go out; its owner holds a lock."""

    max_calls: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    """Prices of a million tokens, in whatever currency `max_cost` is."""
    price_call: float = 0.0
    """Price of a call that was answered"""
    calls: int = 0
    answered: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def __post_init__(self) -> None:
        if self.max_cost is not None and not (self.price_in or self.price_out or self.price_call):
            raise ValueError("max_cost= needs price_in= or price_out=, the price of a million tokens")

    def cost(self) -> float:
        """Spent so far."""
        return (
            self.tokens_in * self.price_in + self.tokens_out * self.price_out
        ) / MILLION + self.answered * self.price_call

    def refusal(self, in_flight: int) -> str:
        """Why no further call may go out; calls in flight count as much as the mean of those that came back."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            return f"the budget of {self.max_calls} calls is spent"
        if self.max_cost is None:
            return ""
        mean = self.cost() / self.answered if self.answered else 0.0
        if self.cost() + mean * (in_flight + 1) > self.max_cost:
            return f"the budget of {self.max_cost:g} is spent: {self.cost():.4f} in {self.calls} calls"
        return ""

    def paid(self, tokens_in: int, tokens_out: int) -> None:
        """A call came back."""
        self.answered += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
