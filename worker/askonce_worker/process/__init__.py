"""The process: start, heartbeats, supervision of several workers, probes."""
