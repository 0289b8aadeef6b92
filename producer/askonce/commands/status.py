"""askonce status"""

import argparse

from askonce.client import Client
from askonce.commands.output import say, say_json

NAME = "status"
HELP = "Print the state of jobs: queued, running, answered, failed or unknown."
EXAMPLES = ("askonce status JOB_ID JOB_ID", "askonce status JOB_ID --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job_ids", metavar="JOB_ID", nargs="+", help="as `submit` printed it")


async def run(client: Client, args: argparse.Namespace) -> int:
    found = await client.status(args.job_ids)
    if args.json:
        say_json(found)
    else:
        for job_id, status in found.items():
            say(f"{job_id} {status}")
    return 0
