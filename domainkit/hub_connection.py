"""Whether the Hugging Face hub can be reached, known soon: its own library tries each call again for half a minute or
longer before it says so."""

from __future__ import annotations

import ssl
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PROBE_SECONDS = 10.0
"""For one attempt to connect."""
WAITS = (1.0, 0.0)
"""Seconds after each failed connection; as many are tried."""


def why_unreachable(endpoint: str) -> str:
    """Why nobody answers at the hub's address; "" where somebody does, whatever the answer.

    Only a connection that fails twice says so. Proxies of the environment are used.
    """
    why = ""
    for wait in WAITS:
        try:
            urlopen(Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS).close()
            return ""
        except HTTPError:
            return ""
        except URLError as e:
            if not isinstance(e.reason, OSError) or isinstance(e.reason, ssl.SSLError):
                return ""
            timed_out = isinstance(e.reason, TimeoutError)
            why = f"no answer in {PROBE_SECONDS:g} s" if timed_out else (e.reason.strerror or str(e.reason)).lower()
        except (OSError, ValueError):  # slow, or an address of another kind: the hub's library knows better
            return ""
        time.sleep(wait)
    return why
