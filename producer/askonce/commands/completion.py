"""askonce completion"""

import argparse

from askonce.client import Client
from askonce.commands.completion_script import SCRIPTS, words_of
from askonce.commands.output import say

NAME = "completion"
HELP = "Print a completion script for your shell."
EXAMPLES = (
    "source <(askonce completion bash)      # in ~/.bashrc",
    "source <(askonce completion zsh)       # in ~/.zshrc, after compinit",
    "askonce completion fish > ~/.config/fish/completions/askonce.fish",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(SCRIPTS))


async def run(client: Client, args: argparse.Namespace) -> int:  # noqa: ARG001 - it asks nothing
    say(SCRIPTS[args.shell](words_of(args.root)))
    return 0
