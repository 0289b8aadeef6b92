"""The keys of the front door, documented as in `keys.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontDoorKeys:
    prefix: str

    @property
    def access(self) -> str:
        """hash: name -> a front-door key, stored as its digest (`access_key.py`); for ever; keys."""
        return f"{self.prefix}:access"

    def session(self, digest: str) -> str:
        """string: digest of the key used to log in to the page, under the digest of the browser's token; 12 hours;
        page."""
        return f"{self.prefix}:session:{digest}"
