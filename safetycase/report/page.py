"""The page itself: templates filled from the view, and the list of its figures."""

from __future__ import annotations

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from safetycase import canonical
from safetycase.methods.figures_on_page import Figure, figures_in, visible
from safetycase.methods.samples import Sample
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.report.view import ReportView, build_view
from safetycase.resources import read_resource
from safetycase.verify.outcome import Verdict


def page_of(
    case: Case, plan: Plan, verdict: Verdict, case_id: str, samples: tuple[Sample, ...] = ()
) -> bytes:
    """The page; what is promised and refused stands at `render_html`."""
    view = build_view(case, plan, verdict, case_id, samples)
    environment = _environment()
    body = environment.get_template("body.html").render(view=view)
    page = environment.get_template("page.html").render(
        view=view,
        style=Markup(_template("style.css")),  # noqa: S704  # ships with the package
        body=Markup(body),  # noqa: S704  # rendered with escaping
        figures=_figures_script(view, figures_in(body)),
    )
    return page.encode()


def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> str:
    return read_resource("templates", "report", name).decode()


def _finalize(value: object) -> object:
    """Make invisible characters visible in every text that a template puts out."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def _figures_script(view: ReportView, figures: tuple[Figure, ...]) -> Markup:
    """The list of figures as canonical JSON, with `<` as an escape so that nothing ends it."""
    data = canonical.write(
        {
            "case_id": view.front.case_id,
            "policy_digest": view.front.policy_digest,
            "figures": [
                {"pointer": figure.pointer, "text": figure.text}
                for figure in dict.fromkeys(figures)
            ],
        }
    )
    return Markup(data.decode().replace("<", "\\u003c"))  # noqa: S704  # holds no `<`
