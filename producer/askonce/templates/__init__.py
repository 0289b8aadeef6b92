"""Prompt templates: the fixed text around what varies, found in a sample of messages and taken out of each."""
