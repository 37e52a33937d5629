"""Offers: what a page has drawn may be requested by address, under a random key, and nothing else.

Tested by tests/rnc/ui/projections/test_sample_image_routes.py.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from streamlit import config

_Offered = TypeVar("_Offered", bound=Hashable)


FILM_FOLDER, IMAGES_FOLDER = "film", "sample-images"
"""The folders below which films and the images of samples have their addresses."""


class Offers(Generic[_Offered]):
    """The last `most` different values that were offered, each with a random key. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        """Start without offers."""
        self.most = most
        self._keys: OrderedDict[_Offered, str] = OrderedDict()
        self._values: dict[str, _Offered] = {}
        self._lock = threading.Lock()

    def offer(self, value: _Offered) -> str:
        """Return the key of a value: the same one for equal values, unless many others have been offered since."""
        with self._lock:
            key = self._keys.setdefault(value, secrets.token_urlsafe(16))
            self._keys.move_to_end(value)
            self._values[key] = value
            while len(self._keys) > self.most:
                del self._values[self._keys.popitem(last=False)[1]]
        return key

    def offered_keys(self) -> list[str]:
        """Return the keys of all offers, the oldest first."""
        return list(self._values)

    def get(self, key: str) -> _Offered | None:
        """Return the value that was offered under a key; None if there is none, or not any more."""
        return self._values.get(key)


def add_base_path(path: str) -> str:
    """Return a path of a route below the address at which Streamlit serves the app (`server.baseUrlPath`)."""
    base = config.get_option("server.baseUrlPath").strip("/")
    return f"/{base}/{path}" if base else f"/{path}"
