"""The keys of the front door's Batch API, documented as in `keys.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServedKeys:
    """Keys of the Batch API. Every server writes all of them."""

    prefix: str

    def file(self, namespace: str, name: str) -> str:
        """string: a file's record (`file_record.py`) without its bytes; its lifetime; files,
        publish_served.lua, forget_served.lua."""
        return f"{self.prefix}:served:file:{namespace}:{name}"

    def files(self, namespace: str) -> str:
        """sorted set: file -> when it was made (Unix ms); the longest lifetime of a file after the last one; files,
        publish_served.lua, forget_served.lua."""
        return f"{self.prefix}:served:files:{namespace}"

    @property
    def expiries(self) -> str:
        """sorted set: `namespace/file` -> when its bytes are to go (Unix s); until they are gone; files,
        sweep, publish_served.lua, forget_served.lua."""
        return f"{self.prefix}:served:expiries"

    def batch(self, namespace: str, name: str) -> str:
        """hash: a batch (`batch_record.py`), `fence`; its window and a lifetime, from its end on a lifetime;
        create_served.lua, claim_served.lua, keep_served.lua, advance_served.lua, cancel_served.lua."""
        return f"{self.prefix}:served:batch:{namespace}:{name}"

    def batches(self, namespace: str) -> str:
        """sorted set: batch -> when it was made (Unix ms); as long as the batches in it; create_served.lua."""
        return f"{self.prefix}:served:batches:{namespace}"

    def open(self, namespace: str) -> str:
        """sorted set: batch that has not ended -> from when on a server may take it (Unix ms), its lease; until it has
        ended; create_served.lua, claim_served.lua, keep_served.lua, advance_served.lua."""
        return f"{self.prefix}:served:open:{namespace}"

    @property
    def due(self) -> str:
        """sorted set: namespace with open batches -> from when on a server may take one of them (Unix ms); until it has
        none; note_due.lua."""
        return f"{self.prefix}:served:due"

    def sweep(self, what: str) -> str:
        """string: a server has recently swept this; a minute, or an hour; sweep."""
        return f"{self.prefix}:served:sweep:{what}"
