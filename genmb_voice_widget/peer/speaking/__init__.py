"""From words to sound: the voices, and when each word begins."""
