"""askonce result"""

import argparse

from askonce.client import Client
from askonce.commands.output import say_answer
from askonce.errors import QuestionFailed

NAME = "result"
HELP = "Print the answer to a job, waiting for it if necessary."
EXAMPLES = ("askonce result JOB_ID", "askonce result JOB_ID --timeout 0    # exit code 1 if there is none yet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_id", metavar="JOB_ID", help="as `submit` printed it")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="how long to wait; 0: not at all"
    )


async def run(client: Client, args: argparse.Namespace) -> int:
    try:
        answer = await client.result(args.job_id, timeout=args.timeout)
    except QuestionFailed as failed:
        answer = failed.answer
    return say_answer(answer, as_json=args.json)
