"""Why a question is, or is not, answered from the cache."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["exact", "semantic", "none"]
State = Literal["valid", "invalidated", "expired", "unfit", "unchecked", "unreadable", "none"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of the scope in which two questions differ, each as a short text.

    Args:
        field: `model`, `system`, `template`, `history`, `messages`, or `params.NAME`.
        asked: The question's. None where it has none.
        cached: The other one's. None where it has none.
    """

    field: str
    asked: str | None
    cached: str | None


@dataclass(frozen=True, slots=True)
class NearEntry:
    """A cached answer to a question that is near to this one.

    Args:
        question: The beginning of its question.
        similarity: Cosine similarity to the question that is explained.
        age: Seconds since its answer was stored.
        expires_in: Seconds until it expires.
        refused_by: Every rule that keeps its answer from this question: `threshold`, `epoch`, `scope`, `reported` (as a
            wrong hit), `indistinct` (the embedding model cannot tell the two apart), `about_now`, `schema` (it does not
            fit), or a rule of the guard by its name, such as `negation`. Empty: it would be used.
        differences: In what its scope differs, where that is known.
        score: What the policy in force makes of it. None where that is the similarity itself.
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
            schema), `unchecked` (a worker has to look whether it does), `unreadable`, or `none`.
        age: Seconds since it was stored.
        expires_in: Seconds until it expires.
        invalidated_by: What was invalidated since: `all`, `model`, `namespace`, `both`.
    """

    state: State = "none"
    age: int | None = None
    expires_in: int | None = None
    invalidated_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides about a match of this question.

    Args:
        threshold: Least score of a match. None: nothing is matched by similarity.
        scorer: `cosine`, or `learnt` from the group's own labels.
        version: Of the policy of its group. None: it is served as the profile of the embedding model says.
        check_chance: Share of the hits that are checked. None: none is.
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
            `no_entry`. Of a hit it is the outcome.
        detail: More of the reason: the words that tell that a question is about now, why it is matched exactly only,
            why it could not be matched.
        namespace: The question's.
        model: The question's.
        scope: Its scope id.
        fingerprint: Its identity.
        epochs: The four counters of what was invalidated, as they stand: all, model, namespace, both.
        exact: The answer to exactly this question.
        in_scope: The nearest entries of its scope, the nearest first.
        elsewhere: The nearest entries of its namespace in other scopes, or of earlier epochs.
        in_force: What decides about a match. None where no worker has said so.
        explained_by: `worker`, or `redis`: no worker answered, and similarity was not looked at.
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
