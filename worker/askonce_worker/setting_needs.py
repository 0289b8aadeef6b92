"""Settings that have no effect without others."""

from askonce_worker.settings import PREFIX, Settings


def is_audited(settings: Settings) -> bool:
    return settings.qdrant_url is not None and (settings.error_budget or settings.audit_rate) is not None


def is_gated(settings: Settings) -> bool:
    return is_audited(settings) and settings.judge_gate and bool(settings.error_budget and settings.judge_model)


def without_effect(settings: Settings) -> tuple[str, str] | None:
    """The error-related settings without effect, and what they need; None if all have an effect."""
    names = [name for name in ("error_budget", "audit_rate", "judge_model", "judge_gate") if getattr(settings, name)]
    if settings.qdrant_url is None:
        needs = f"{PREFIX}QDRANT_URL: without it nothing is matched by similarity"
    elif not is_audited(settings):
        needs = f"{PREFIX}ERROR_BUDGET or {PREFIX}AUDIT_RATE: without one no match is checked"
    elif settings.judge_gate and not is_gated(settings):
        names, needs = ["judge_gate"], f"{PREFIX}ERROR_BUDGET and {PREFIX}JUDGE_MODEL"
    else:
        return None
    return (", ".join(PREFIX + name.upper() for name in names), f"requires {needs}") if names else None
