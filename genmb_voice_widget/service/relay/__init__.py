"""For pages without our script: `POST /api/voice-agent`, and a relayed WebSocket whose key stays home."""
