"""What each setting is, for people on the command line; docs/running_for_many.md says the same and more.

How one is read is in `file` and `values`.
"""

from __future__ import annotations

from collections.abc import Mapping

from .file import variable_of
from .provider_kinds import Kind

ABOUT = {
    "host": "the address to listen on",
    "port": "the port to listen on",
    "hosts": "names that it may be called by, besides host and this machine's own",
    "origins": "for open: web origins whose pages may ask too",
    "access": "open: whoever is on this machine may ask; apps: apps are told apart",
    "database": "for apps, which needs it: a file's path, or postgresql://USER:PASSWORD@HOST/NAME",
    "redis": "for apps: redis://HOST:PORT/NUMBER, where the hour's sessions are counted",
    "signing_key": "for apps: what app tokens are signed with; without it there are none",
    "site_hook": "for apps: module:function of yours, which tells who is signed in to your site",
    "hand_out_secrets": "for apps: true, and servers with a key may have the voice service's secrets",
    "metrics_key": "for apps: what /metrics is asked with; without it there is none",
    "drain_seconds": "seconds that it may go on after it was told to stop",
    "providers": "the voice services, the first for callers that name none",
}


def settings_table(kinds: Mapping[str, Kind]) -> str:
    """Write a line for each setting with its variable, and one for the options of each voice service."""
    lines = ["settings, in the file or as a variable, which wins (docs/running_for_many.md has more):"]
    for name, about in ABOUT.items():
        lines += [f"  {name:17} {variable_of(name)}", f"  {'':17} {about}"]
    lines += ["", "options of the voice services, in the file's [providers.NAME] or as a variable:"]
    for kind, of in kinds.items():
        for option in of.options:
            lines.append(f"  {kind + ' ' + option:31} {variable_of(kind, option)}")
    return "\n".join(lines)
