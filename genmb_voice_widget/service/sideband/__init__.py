"""A session's events for whoever owns the session, beside its page: `WS /v1/sessions/{id}/events`."""
