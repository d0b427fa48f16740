"""How sound and events travel between the peer and its clients: WebRTC and WebSocket."""
