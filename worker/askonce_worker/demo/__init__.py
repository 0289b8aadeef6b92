"""The newcomer's first minute: real servers, a real worker, real questions."""
