"""The one place where settings, pipeline and adapters meet."""
