"""The process: start, signs of life, supervision of several workers, probes."""
