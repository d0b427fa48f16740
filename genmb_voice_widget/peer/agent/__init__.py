"""What the peer's agent understands and answers: a script, and how a turn is matched with it."""
