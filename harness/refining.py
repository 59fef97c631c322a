"""What --refine asks for, put together: the gate of each task, and the model that goes through it."""

from __future__ import annotations

from typing import Any

from harness.arguments import parse_arguments
from harness.assemble import Job, build_verifier
from harness.eval_config import EvalConfig
from harness.gate import Gate, OpenGate, OracleGate, VerifierGate
from harness.model import Model
from harness.refinement import TEMPLATES, Reflective
from harness.refining_model import RefiningModel
from reward.ability import check_able
from reward.verifier import Verifier


def build_gate(config: EvalConfig, job: Job) -> Gate:
    """The gate of a task; ValueError for one that would read its scorer without being called oracle."""
    if config.gate_verifier is not None:
        verifier = build_verifier(config.gate_verifier, parse_arguments(config.gate_verifier_args))
        check_able(verifier, "words", "the gate of --refine")
        check_apart(config, job, verifier)
        return VerifierGate(verifier, config.gate_question, config.gate_threshold)
    if config.gate == "oracle":
        by_id = {sample.id: sample for sample in job.samples}
        return OracleGate(job.reward, {(cell.prompt, cell.seed): by_id[cell.sample] for cell in job.plan})
    return OpenGate("self" if config.gate == "self" else "all")


def check_apart(config: EvalConfig, job: Job, gate: Verifier) -> None:
    """ValueError for a gate that asks who scores, by its name or by the model that it asks for."""
    scorer = config.verifier or job.task.reward.verifier, parse_arguments(config.verifier_args)
    asked = config.gate_verifier, parse_arguments(config.gate_verifier_args)
    asks = gate.record.get("requested")
    # under --predict-only there is no scorer to hold it against but its name
    if (
        asked == scorer
        or gate.id == job.verifier.id
        or (asks is not None and asks == job.verifier.record.get("requested"))
    ):
        raise ValueError(
            f"the gate's verifier {config.gate_verifier!r} is the one that scores task {job.task.name!r}: "
            "call that --gate oracle, or give another --gate-verifier"
        )


def refine(config: EvalConfig, gate: Gate, model: Model) -> RefiningModel:
    """The model that refines; ValueError for one that cannot look at its own pictures."""
    if not isinstance(model, Reflective):
        raise ValueError(
            f"the model {config.model!r} cannot look at its own pictures, which --refine needs: tiny and bagel can"
        )
    template = next(one for one in TEMPLATES if one == (config.reflection or "open"))
    return RefiningModel(model, gate, config.refine, template, model.template_digest(template))


def refinement_record(model: Model) -> dict[str, Any] | None:
    """What run.json keeps of how pictures are refined; None where they are drawn once."""
    if not isinstance(model, RefiningModel):
        return None
    return {
        "label": label_of(model),
        "rounds": model.rounds,
        "gate": model.gate.name,
        "reflection": model.template,
        "prompt_sha256": model.digest,
        **model.gate.record,
    }


def label_of(model: RefiningModel) -> str:
    """`refine1[gate=all]`: what is added to the task's name."""
    asked = "" if model.template == "open" else f", {model.template}"
    return f"refine{model.rounds}[gate={model.gate.label}{asked}]"
