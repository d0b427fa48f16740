"""What the HTTP server may write into its own log: nothing of what a caller has sent.

uvicorn notes the address of each page that opens a socket, as it was asked for and with whoever asked; at
DEBUG its WebSocket library writes down every header field and every word. What escapes the app it logs with
the exception's text and the frames, which hold the request. It knows no route.
"""

from __future__ import annotations

import logging

from genmb_voice_widget.service.places import places


def keep_callers_out() -> None:
    """Have uvicorn's log say less, in this whole process; without uvicorn it changes nothing."""
    logger = logging.getLogger("uvicorn.error")
    if _of_no_caller not in logger.filters:
        logger.addFilter(_of_no_caller)


def _of_no_caller(record: logging.LogRecord) -> bool:
    """Tell whether a record is written; of an exception only its kind and its places are."""
    if record.levelno <= logging.DEBUG or '"WebSocket %s"' in str(record.msg):
        return False
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.args = (record.getMessage().strip(), places(error))
        record.msg, record.exc_info = "%s: %s", None
    return True
