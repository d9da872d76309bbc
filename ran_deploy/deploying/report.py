"""The report of a deployment: one page for people, one document for programs.

The page needs no network, no script and no other file; what it shows is all in ``report.json`` beside it.
"""

from pathlib import Path

from ran_deploy.deploying.report_accuracy import accuracy_section
from ran_deploy.deploying.report_answer import answer, figures, warning_box, warning_list
from ran_deploy.deploying.report_latency import latency_section
from ran_deploy.deploying.report_layers import layers_section, profile_section
from ran_deploy.deploying.report_lineage import environment_section, lineage_section
from ran_deploy.deploying.report_outcomes import commands_section, origins, refused_section, stages_section
from ran_deploy.deploying.report_pareto import pareto_section
from ran_deploy.deploying.report_view import shown_variants
from ran_deploy.deploying.report_warnings import all_warnings
from ran_deploy.deploying.result import DeployResult, write_result
from ran_deploy.files import write_text
from ran_deploy.report.html import Html, document, element, join, paragraph, text
from ran_deploy.report.words import moment

REPORT_HTML = "report.html"


def write_report(result: DeployResult, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into the folder of a deployment, each atomically.

    Args:
        result: The deployment.
        folder: Its folder.

    Returns:
        The path of the page.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    page = render(result)
    write_result(result, folder)
    path = folder / REPORT_HTML
    write_text(path, page)
    return path


def render(result: DeployResult) -> str:
    """Return the page."""
    shown, warnings = shown_variants(result), all_warnings(result)
    sections: list[tuple[str, str, Html]] = [
        ("engines", "Engines compared", pareto_section(shown, result)),
        ("accuracy", "Accuracy", accuracy_section(shown, result)),
        ("latency", "Latency and throughput", latency_section(shown)),
        ("layers", "Layer types asked for and obtained", layers_section(shown)),
        ("time", "Where the time goes", profile_section(shown, result)),
        ("refused", "Rejected, failed, not run here", refused_section(shown, result)),
        ("lineage", "Lineage", lineage_section(shown, result)),
        ("stages", "Stages", join([stages_section(result), origins(result)])),
        ("machine", "The machine", environment_section(result)),
        ("warnings", "Warnings", warning_list(warnings)),
        ("repeat", "Repeat it", commands_section(result)),
    ]
    links = "".join(f'<li><a href="#{name}">{text(title)}</a></li>' for name, title, _ in sections)
    header = join(
        [
            element("h1", text(f"Deployment of {result.name}")),
            paragraph(_subtitle(result), kind="soft"),
            Html(f'<nav aria-label="Contents"><ul>{links}</ul></nav>'),
        ]
    )
    top = join([_titled("answer", "Which engine to deploy", join([answer(result), figures(shown, result)]))])
    main = join([top, warning_box(warnings), *(_titled(*section) for section in sections)])
    version = result.environment.versions.get("ran-deploy", "")
    footer = (
        f"Written by ran-deploy {version}; the same facts for programs are in report.json. This page needs no network."
    )
    return document(f"Deployment of {result.name}", header=header, main=main, footer=footer)


def _subtitle(result: DeployResult) -> str:
    source, about = result.source, [f"from {result.source.name}"]
    if source.dataset:
        about.append(source.dataset)
    about.append(f"{source.weights} weights")
    if result.profile:
        about.append(f"profile {result.profile}")
    return " · ".join([*about, result.environment.cpu, moment(result.created)])


def _titled(name: str, title: str, content: Html) -> Html:
    return Html(
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{text(title)}</h2>\n'
        f"{content}\n</section>"
    )
