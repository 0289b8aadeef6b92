"""Plays a log of calls through the worker's rules without asking anybody: what would it have saved, and how wrong?"""
