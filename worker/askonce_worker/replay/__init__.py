"""Replays a log of calls through the worker's rules without calling an LLM: what would it have saved, and how wrong?"""
