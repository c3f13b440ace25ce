"""What theory expects of asynchronous lookahead."""


def closed_form(acceptance: float, cost: float, window: int) -> float:
    """Speed-up of asynchronous lookahead with equal steps and free verdicts (Lookahead Reasoning, section 4).

    `cost` is the draft's time per step over the target's. The window binds only where the draft can fill it while the
    target writes one step.
    """
    a, c, k = acceptance, cost, window
    if c * k >= 1:
        return 1 / (c + (1 - c) * (1 - a))
    if a == 1:
        return float(k)  # the limit
    return (1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k))
