"""askonce submit"""

import argparse

from askonce.client import Client
from askonce.commands.output import complain, say, say_json
from askonce.commands.question_arguments import add_job_arguments, add_question_arguments, question_from
from askonce.contract.keys import LANES
from askonce.session.attendance import no_workers

NAME = "submit"
HELP = "Queue a question and print its job id."
EXAMPLES = ('askonce submit "What is a monad?" --lane bulk', 'askonce submit "What is a monad?" --job-id order-17')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_question_arguments(parser)
    add_job_arguments(parser)
    parser.add_argument("--lane", choices=LANES, default="interactive", help="which queue it joins")


async def run(client: Client, args: argparse.Namespace) -> int:
    job_id = await client.submit(question_from(args), lane=args.lane, timeout=args.timeout)
    if args.json:
        say_json({"job_id": job_id})
    else:
        say(job_id)
    if reason := await no_workers(client.workers_alive):
        complain(reason)
    return 0
