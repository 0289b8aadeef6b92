"""askonce cancel"""

import argparse

from askonce.client import Client
from askonce.commands.output import say, say_json

NAME = "cancel"
HELP = "Cancel jobs that no worker has taken yet, and print the cancelled ones."
EXAMPLES = ("askonce cancel JOB_ID JOB_ID",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_ids", metavar="JOB_ID", nargs="+", help="as `submit` printed it")


async def run(client: Client, args: argparse.Namespace) -> int:
    cancelled = await client.cancel(args.job_ids)
    if args.json:
        say_json({"cancelled": cancelled})
    else:
        for job_id in cancelled:
            say(job_id)
    return 0
