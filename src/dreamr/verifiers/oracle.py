"""The micro world's step oracle with set errors: an engine that knows the truth answers in the target's place."""

from dreamr.components import Verdicts
from dreamr.config import Method
from dreamr.verifiers.cpn import CpnVerifier

VERDICTS = Verdicts(judges="step", settings=frozenset({"false_accept", "false_reject"}), by_target=False)


def verifier(method: Method) -> CpnVerifier:
    """Asked like CPN, of an engine that is sure of what it answers: any threshold takes it at its word."""
    return CpnVerifier(0.5)
