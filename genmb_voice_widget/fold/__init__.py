"""What each event does to the state: the fold, one subject a file.

Rule 1: no I/O, no clock, no randomness. Rule 2: never look at who the provider is. Rule 3: nothing raises,
whatever the JSON; an event that is not known, or that makes no sense, changes nothing. Rule 4: reports about
one thing may come in any order. The twin is js/src/fold, file by file; tests/vectors keeps the two equal.
"""
