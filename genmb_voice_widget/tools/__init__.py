"""Python functions of a notebook as tools: described to the model, called when it asks, answered once."""
