"""A large file, of which two lines in five repeat or reword another one, and a run of it that is killed at random."""

import asyncio
import os
import random
import re
import signal
from collections import Counter

from support.batch_command import content, request
from support.batch_runs import records
from support.worker_process import start_worker, until

LINES = int(os.environ.get("ASKONCE_TEST_BATCH_LINES", "1000"))
SUBJECTS = int(LINES * 0.6)
WORDINGS = ("Tell me of subject {} please", "Please tell me of subject {}", "Of subject {} tell me please")
KILLS = 4


def large_file(path):
    """Returns the subject of each line's id."""
    chance = random.Random(7)
    chosen = [*range(SUBJECTS), *(chance.randrange(SUBJECTS) for _ in range(LINES - SUBJECTS))]
    chance.shuffle(chosen)
    lines = [
        request(f"q{i}", chance.choice(WORDINGS).format(f"{subject} [g{subject}]")) for i, subject in enumerate(chosen)
    ]
    path.write_bytes(b"\n".join(lines))
    return {f"q{i}": subject for i, subject in enumerate(chosen)}


async def killed_in_turn(command, settings, directory, running, begun):
    """A worker and the command at once, again and again, at moments that nobody chose. Returns how many workers were.

    begun: a condition that is waited for before each.
    """
    process, kills = await command.start(), 0
    for turn in range(KILLS):
        await until(begun, seconds=120, what="work under way")
        await asyncio.sleep(random.uniform(0, 2 + LINES / 2500))
        if process.returncode is not None:
            break
        victim = running.pop(random.randrange(len(running)))
        victim.signal(signal.SIGKILL)
        process.send_signal(random.choice([signal.SIGKILL, signal.SIGINT]))
        await victim.process.wait()
        await process.wait()
        kills += 1
        running.append(await start_worker(settings, directory / f"worker-{turn}.log"))
        process = await command.start()
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return kills


def each_is_answered_once(path, subjects):
    """With its own subject's answer. Returns the lines."""
    out = records(path)
    assert Counter(record["custom_id"] for record in out) == Counter(subjects.keys())
    for record in out:
        assert f"[g{subjects[record['custom_id']]}]" in content(record), record
    return out


def times_asked(texts):
    """By subject, from how often each text was."""
    asked = Counter()
    for text, times in texts.items():
        asked[re.search(r"\[g(\d+)\]", text)[1]] += times
    return asked
