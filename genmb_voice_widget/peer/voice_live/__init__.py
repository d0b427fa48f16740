"""Azure Voice Live, as the peer stands in for it: another wire around the same session."""
