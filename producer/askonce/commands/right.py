"""askonce right"""

import argparse
from collections.abc import Awaitable, Callable

from askonce.client import Client
from askonce.commands.matches import (
    add_match_arguments,
    add_scope_arguments,
    check_scope_arguments,
    each_job,
    each_line,
    of_texts,
    opened,
    told,
)
from askonce.commands.output import complain, say, say_json
from askonce.session.verdicts import Verdicts
from askonce.session.wrong_hits import Report, WrongHits

NAME = "right"
HELP = "Report that answers taken from another question are right: labels to measure the matching."
EXAMPLES = (
    "askonce right JOB_ID",
    'grep \'"custom_id":"row-7"\' out.jsonl | askonce right --lines -',
    'askonce right --texts "the red tower" "the tower in red" --model gpt-4o',
    "askonce right --match ID --not    # of `labels --waiting`, and wrong",
)

STILL_APART = "the label is kept; the pair was reported as wrong, and is still never matched"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_match_arguments(parser, "right", "two questions that one answer serves")
    parser.add_argument("--match", metavar="ID", nargs="+", help="matches that wait for a verdict (`labels --waiting`)")
    parser.add_argument("--not", dest="wrong", action="store_true", help="with --match: report them as wrong")
    add_scope_arguments(parser)


async def run(client: Client, args: argparse.Namespace) -> int:
    ways = [bool(args.job_ids), *(getattr(args, name) is not None for name in ("lines", "texts", "match"))]
    if sum(ways) != 1:
        raise ValueError("right what: name jobs, or give one of --lines, --texts and --match")
    if args.wrong and args.match is None:
        raise ValueError("--not goes only with --match: `askonce wrong` reports other wrong answers")
    check_scope_arguments(args)
    async with opened(args.url) as (store, keys):
        hits, verdicts = WrongHits(store, keys), Verdicts(store, keys)

        async def judge(report: Report) -> bool:
            assert report.match is not None
            news = await verdicts.judge(report.match, right=True)
            if await hits.never_matched(report):
                complain(f"{report.match.question!r}: {STILL_APART}")
            return news

        if not args.job_ids:
            return await _other_ways(verdicts, judge, args)

        async def judge_job(job_id: str) -> bool:
            news = await client.report_right(job_id, namespace=args.namespace)
            if await hits.never_matched(await hits.of_job(args.namespace or "default", job_id)):
                complain(f"{job_id}: {STILL_APART}")
            return news

        return await each_job(args.job_ids, judge_job, as_json=args.json)


async def _other_ways(verdicts: Verdicts, judge: Callable[[Report], Awaitable[bool]], args: argparse.Namespace) -> int:
    if args.match is not None:
        right = not args.wrong
        return await each_job(args.match, lambda pair: verdicts.judge_waiting(pair, right=right), as_json=args.json)
    if args.lines is not None:
        return await each_line(args.lines, judge, as_json=args.json)
    news = await judge(of_texts(args))
    if args.json:
        say_json({"reported": news})
    else:
        say(told(news))
    return 0
