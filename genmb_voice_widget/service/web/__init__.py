"""The endpoint's addresses: what comes in is checked and translated, what goes out is described."""
