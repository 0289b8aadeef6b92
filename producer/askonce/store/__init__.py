"""The client's connection to Redis: URLs, Sentinel, commands and scripts."""
