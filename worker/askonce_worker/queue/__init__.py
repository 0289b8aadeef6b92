"""Leased arq jobs: claim, renew, run, finish, retry, and periodic jobs."""
