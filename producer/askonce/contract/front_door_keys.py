"""The keys of the front door: as in `keys.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrontDoorKeys:
    prefix: str

    @property
    def access(self) -> str:
        """hash: name -> who may use the front door, by the digest of a key (`access_key.py`); for ever; keys."""
        return f"{self.prefix}:access"

    def session(self, digest: str) -> str:
        """string: the digest of the key that somebody logged in to the page with, under that of his browser's token;
        12 hours; page."""
        return f"{self.prefix}:session:{digest}"
