"""askonce ask"""

import argparse

from askonce.client import Client
from askonce.commands.output import say_answer
from askonce.commands.question_arguments import add_job_arguments, add_question_arguments, question_from
from askonce.errors import QuestionFailed

NAME = "ask"
HELP = "Ask a question and print its answer."
EXAMPLES = (
    'askonce ask "What is the capital of France?"',
    'askonce ask "hello" --system "Translate into French." --param temperature=0',
    "askonce ask - --json < question.txt",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_question_arguments(parser)
    add_job_arguments(parser)


async def run(client: Client, args: argparse.Namespace) -> int:
    try:
        answer = await client.ask(question_from(args), timeout=args.timeout)
    except QuestionFailed as failed:
        answer = failed.answer
    return say_answer(answer, as_json=args.json)
