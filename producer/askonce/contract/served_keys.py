"""The keys of the Batch API that the front door serves: as in `keys.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServedKeys:
    """Every server writes them all."""

    prefix: str

    def file(self, namespace: str, name: str) -> str:
        """string: a file (`file_record.py`), but for its bytes; its lifetime; files."""
        return f"{self.prefix}:served:file:{namespace}:{name}"

    def files(self, namespace: str) -> str:
        """sorted set: file -> when it was made (Unix ms); the longest lifetime of a file after the last one; files."""
        return f"{self.prefix}:served:files:{namespace}"

    @property
    def expiries(self) -> str:
        """sorted set: `namespace/file` -> when its bytes are to go (Unix s); until they are gone; files, sweep."""
        return f"{self.prefix}:served:expiries"

    def batch(self, namespace: str, name: str) -> str:
        """hash: a batch (`batch_record.py`), `fence`; its window and a lifetime, from its end on a lifetime;
        create_served.lua, claim_served.lua, keep_served.lua, advance_served.lua, cancel_served.lua."""
        return f"{self.prefix}:served:batch:{namespace}:{name}"

    def batches(self, namespace: str) -> str:
        """sorted set: batch -> when it was made (Unix ms); as long as the batches in it; create_served.lua."""
        return f"{self.prefix}:served:batches:{namespace}"

    @property
    def open(self) -> str:
        """sorted set: `namespace/batch` that has not ended -> from when on a server may take it (Unix ms), its lease;
        until it has ended; create_served.lua, claim_served.lua, keep_served.lua, advance_served.lua."""
        return f"{self.prefix}:served:open"

    @property
    def sweep(self) -> str:
        """string: a server has looked for expired files of late; a minute; sweep."""
        return f"{self.prefix}:served:sweep"
