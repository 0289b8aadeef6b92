"""Sends tasks to the worker and prints their results."""

from celery import chain
from tasks import ask, collect, submit

print(ask.delay("What is a thread?").get(timeout=120))
texts = ["What is a mutex?", "What is a semaphore?", "What is a mutex?"]
for job_id, text in chain(submit.s(texts), collect.s())().get(timeout=120).items():
    print(job_id.partition("/")[2], text)
