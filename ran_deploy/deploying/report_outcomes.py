"""What did not become an engine to deploy: refused by a gate, failed, or not run on this machine; and each stage."""

from ran_deploy.deploying.report_view import STATUS_WORDS, Shown
from ran_deploy.deploying.result import DeployResult
from ran_deploy.report.html import NOTHING, Align, Html, cell, code, commands, element, join, paragraph, table, text
from ran_deploy.report.words import counted, seconds

_STAGE_KINDS = {"done": "good", "rejected": "bad", "failed": "bad"}


def refused_section(shown: list[Shown], result: DeployResult) -> Html:
    """Return the variants that were rejected or failed with the reasons, and what was not run here."""
    refused = [one for one in shown if one.variant.status in ("rejected", "failed")]
    absent = [one for one in shown if one.variant.status == "not-run"]
    parts = []
    if refused:
        parts.append(_reasons("Rejected and failed engines", refused))
    else:
        parts.append(paragraph("No engine was rejected, and none failed."))
    if absent:
        parts += [element("h3", text("Built, and not run here")), _reasons("Engines that were not run here", absent)]
    if result.absent:
        rows = [[cell(name), cell(reason)] for name, reason in result.absent.items()]
        name = "Runtimes that are not on this machine"
        parts += [element("h3", text(name)), table(name, ["runtime", "reason"], rows, align=("left", "text"))]
    return join(parts)


def _reasons(name: str, shown: list[Shown]) -> Html:
    rows = [
        [cell(one.label), cell(STATUS_WORDS[one.variant.status]), cell(one.variant.reason or "No reason was recorded.")]
        for one in shown
    ]
    return table(name, ["variant", "status", "reason"], rows, align=("text", "left", "text"))


def stages_section(result: DeployResult) -> Html:
    """Return each stage with what came of it and what it took."""
    if not result.stages:
        return paragraph("No stage was run.")
    rows = [
        [
            cell(stage.name),
            cell(stage.status, kind=_STAGE_KINDS.get(stage.status, "")),
            cell(seconds(stage.seconds) if stage.seconds else "–"),
            cell(stage.reason or stage.summary or "–"),
            cell(", ".join(artefact.name for artefact in stage.artefacts) or "–"),
            cell(", ".join(stage.parents) or "–"),
        ]
        for stage in result.stages
    ]
    total = sum(stage.seconds for stage in result.stages)
    header = ["stage", "status", "time", "what came of it", "files", "from"]
    align: tuple[Align, ...] = ("left", "left", "", "text", "text", "text")
    foot = (
        f"{counted(len(rows), 'stage')}, {seconds(total)} in all; a stage that was kept has the time that it once took."
    )
    return table("Stages", header, rows, align=align, foot=foot)


def commands_section(result: DeployResult) -> Html:
    """Return the commands that repeat the whole, and each stage alone."""
    parts = []
    if result.command:  # a deployment from Python has none
        parts += [paragraph("The whole, of which whatever is unchanged is kept:"), commands(result.command)]
    by_stage = [(stage.name, stage.command) for stage in result.stages if stage.command]
    if by_stage:
        parts.append(element("h3", text("Each stage alone")))
        parts.append(commands("\n".join(f"# {name}\n{command}" for name, command in by_stage)))
    for variant in result.variants:
        missing = [command for command in variant.commands if command not in dict(by_stage).values()]
        if missing:
            parts += [element("h3", text(f"For {variant.name}")), commands("\n".join(missing))]
    return join(parts)


def origins(result: DeployResult) -> Html:
    """Return where each option came from; nothing where none is recorded."""
    if not result.origins:
        return NOTHING
    rows = [[code(name), cell(origin)] for name, origin in result.origins.items()]
    title = "Where each option came from"
    return join([element("h3", text(title)), table(title, ["option", "from"], rows, align=("left", "text"))])
