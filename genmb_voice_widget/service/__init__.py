"""The token endpoint: decides who may start a session, relays the offer and keeps the account.

`app` is the HTTP face, `sessions` the order of things, `policy` the rule, `window` and `ledger` the memory,
`providers` the services that answer. Importing this package alone pulls in no server.
"""
