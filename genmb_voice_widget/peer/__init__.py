"""The local realtime peer: a program of its own that speaks the OpenAI Realtime wire, without key or network.

It is a stand-in for demos, teaching and tests. It knows nothing of the widget: no module here imports
the package's widget, conversation or state.
"""
