"""HTTP of the screening service: a question in, a score out, and nothing kept. No decision is made here but the detector's."""

from collections.abc import Callable

from fastapi import FastAPI, Response

from detection.score import Limits, score
from workload import problems
from workload.screening.model import Question, ScoreBody


def build(limits: Limits, *, site: str, metrics: Callable[[], bytes], counted: Callable[[str], None]) -> FastAPI:
    """The application; `counted` is told the advice of every score."""
    app = FastAPI(title="Screening", version="1", docs_url=None, redoc_url=None)
    problems.install(app)

    @app.post("/v1/scores")
    async def score_order(question: Question, response: Response) -> ScoreBody:
        """Judge one order by its debtor's habits. The same question is always answered the same."""
        order, given = question.order, question.profile
        profile, idle = (given.profile(), given.idle) if given is not None else (None, 0.0)
        found = score(order.amount, order.currency, profile, idle, limits)
        response.headers["Served-By"] = site
        advice = ScoreBody(score=round(found.score, 3), reasons=list(found.reasons), advice="hold" if found.hold else "pass")
        counted(advice.advice)
        return advice

    @app.get("/healthz")
    async def process_lives() -> dict[str, str]:
        """It needs nobody: alive is ready."""
        return {"status": "alive"}

    @app.get("/readyz")
    async def scores_can_be_asked() -> dict[str, object]:
        """The same, under the name that others ask for."""
        return {"ready": True, "site": site}

    @app.get("/metrics")
    async def numbers() -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app
