"""Why a question is, or is not, answered from the cache."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["exact", "semantic", "none"]
State = Literal["valid", "invalidated", "expired", "unfit", "unchecked", "unreadable", "none"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of the scope in which two questions differ, each shown as a short text.

    Args:
        field: `model`, `system`, `template`, `history`, `messages`, or `params.NAME`.
        asked: The question's value. None if it has none.
        cached: The other question's value. None if it has none.
    """

    field: str
    asked: str | None
    cached: str | None


@dataclass(frozen=True, slots=True)
class NearEntry:
    """A cached answer to a similar question.

    Args:
        question: The beginning of its question.
        similarity: Cosine similarity to the explained question.
        age: Seconds since its answer was stored.
        expires_in: Seconds until it expires.
        refused_by: Every rule that refuses its answer to this question: `threshold`, `epoch`, `scope`, `reported` (as a
            wrong hit), `indistinct` (the embedding model cannot tell the two apart), `about_now`, `schema` (it does not
            fit), or a rule of the guard, such as `negation`. Empty: it would be used.
        differences: How its scope differs, if known.
        score: Its score under the policy in force. None if that is the similarity itself.
        fingerprint: Its identity. Empty from a worker of an older release.
    """

    question: str
    similarity: float
    age: int
    expires_in: int
    refused_by: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    score: float | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ExactEntry:
    """The cached answer to exactly this question.

    Args:
        state: `valid`, `invalidated`, `expired` (or dropped: there was one), `unfit` (it does not fit the question's
            schema), `unchecked` (a worker has yet to check), `unreadable`, or `none`.
        age: Seconds since it was stored.
        expires_in: Seconds until it expires.
        invalidated_by: What was invalidated since then: `all`, `model`, `namespace`, `both`.
    """

    state: State = "none"
    age: int | None = None
    expires_in: int | None = None
    invalidated_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides about a match of this question.

    Args:
        threshold: Minimum score of a match. None: nothing is matched by similarity.
        scorer: `cosine`, or `learnt` from the group's own labels.
        version: The version of its group's policy. None: the embedding model's profile applies.
        check_chance: Share of hits that are checked. None: none are.
    """

    threshold: float | None
    scorer: str = "cosine"
    version: int | None = None
    check_chance: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a question is, or is not, answered from the cache at this moment. Nothing was asked, cached or counted.

    Args:
        outcome: `exact`, `semantic`, or `none`: it would go to the LLM, or join the same question in flight.
        reason: Why there is no hit: `bypass`, `refresh`, `about_now`, `exact_only`, `semantic_off`, `too_long`,
            `unmatched`, `invalidated`, `expired`, `unfit`, `unchecked`, `other_scope`, `below_threshold`, `refused`, or
            `no_entry`. For a hit, the outcome.
        detail: Details of the reason: the words that make it a question about the present, why it is matched exactly
            only, why it could not be matched.
        namespace: The question's.
        model: The question's.
        scope: Its scope id.
        fingerprint: Its identity.
        epochs: The current values of the four invalidation counters: all, model, namespace, both.
        exact: The answer to exactly this question.
        in_scope: The nearest entries of its scope, the nearest first.
        elsewhere: The nearest entries of its namespace in other scopes, or of earlier epochs.
        in_force: What decides about a match. None if no worker responded.
        explained_by: `worker`, or `redis`: no worker responded, so similarity was not considered.
        note: What is missing, and why.
    """

    outcome: Outcome
    reason: str
    namespace: str
    model: str
    scope: str
    fingerprint: str
    epochs: str
    exact: ExactEntry
    detail: str = ""
    in_scope: tuple[NearEntry, ...] = ()
    elsewhere: tuple[NearEntry, ...] = ()
    in_force: InForce | None = None
    explained_by: Literal["worker", "redis"] = "redis"
    note: str = ""
