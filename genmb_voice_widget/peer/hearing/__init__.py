"""From sound to words: when somebody speaks, and what was said."""
