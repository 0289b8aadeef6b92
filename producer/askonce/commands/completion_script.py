"""Completion scripts for bash, zsh and fish, generated from the parser."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandWords:
    """The words of one command. choices: values of options with fixed choices. arguments: the same for positionals."""

    name: str
    help: str
    options: tuple[str, ...]
    choices: dict[str, tuple[str, ...]]
    arguments: tuple[str, ...]


def words_of(root: argparse.ArgumentParser) -> list[CommandWords]:
    """The words of every command. The first, unnamed one has those that may precede a command."""
    subparsers = next(each for each in _actions(root) if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001
    helps = {each.dest: each.help or "" for each in subparsers._choices_actions}  # noqa: SLF001
    commands = [_words("", "", root, tuple(subparsers.choices))]
    return commands + [_words(name, helps[name], each) for name, each in subparsers.choices.items()]


def _words(name: str, text: str, parser: argparse.ArgumentParser, arguments: Sequence[str] = ()) -> CommandWords:
    options, choices, found = [], {}, list(arguments)
    for action in _actions(parser):
        longs = [option for option in action.option_strings if option.startswith("--")]
        options += longs
        values = tuple(map(str, action.choices or ()))
        if longs and values:
            choices[longs[0]] = values
        elif not action.option_strings and not arguments:
            found += values
    return CommandWords(name, text, tuple(options), choices, tuple(found))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no other way to ask


def bash(commands: Sequence[CommandWords]) -> str:
    lines = [
        "_askonce() {",
        '  local current=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} command="" words="" word',
        '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        f"    case $word in {_alternatives(commands)}) command=$word; break ;; esac",
        "  done",
        '  case "$command $last" in',
        *(f'    "{of} {option}") words="{" ".join(values)}" ;;' for of, option, values in _choices(commands)),
        "  esac",
        '  if [[ -z $words ]]; then case "$command $current" in',
        *(
            f'    "{each.name} {dash}"*) words="{" ".join(words)}" ;;'
            for each in commands
            for dash, words in (("-", each.options), ("", each.arguments))
            if words
        ),
        "  esac; fi",
        '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o default -F _askonce askonce",
    ]
    return "\n".join(lines)


def zsh(commands: Sequence[CommandWords]) -> str:
    lines = [
        "#compdef askonce",
        "_askonce() {",
        '  local word command=""',
        "  for word in ${words[2,CURRENT-1]}; do",
        f"    case $word in ({_alternatives(commands)}) command=$word; break ;; esac",
        "  done",
        '  case "$command ${words[CURRENT-1]}" in',
        *(
            f'    ("{of} {option}") compadd -- {" ".join(values)}; return ;;'
            for of, option, values in _choices(commands)
        ),
        "  esac",
        '  case "$command ${words[CURRENT]}" in',
        *(
            f'    ("{each.name} {dash}"*) compadd -- {" ".join(words)}; return ;;'
            for each in commands
            for dash, words in (("-", each.options), ("", each.arguments))
            if words
        ),
        "  esac",
        "  _files",
        "}",
        "compdef _askonce askonce",
    ]
    return "\n".join(lines)


def fish(commands: Sequence[CommandWords]) -> str:
    lines = []
    for each in commands:
        when = f"__fish_seen_subcommand_from {each.name}" if each.name else "__fish_use_subcommand"
        for word in each.arguments:
            described = next((f" -d '{_quoted(other.help)}'" for other in commands if other.name == word), "")
            lines.append(f"complete -c askonce -f -n '{when}' -a {word}{described}")
        for option in each.options:
            values = each.choices.get(option)
            takes = f" -x -a '{' '.join(values)}'" if values else ""
            lines.append(f"complete -c askonce -n '{when}' -l {option.removeprefix('--')}{takes}")
    return "\n".join(lines)


def _alternatives(commands: Sequence[CommandWords]) -> str:
    return "|".join(each.name for each in commands if each.name)


def _choices(commands: Sequence[CommandWords]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.name, option, values) for each in commands for option, values in each.choices.items()]


def _quoted(text: str) -> str:
    return text.replace("'", "\\'")


SCRIPTS: dict[str, Callable[[Sequence[CommandWords]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
