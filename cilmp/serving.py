"""A run behind HTTP: one page to drop an image on, and JSON. For one machine and research; nothing that is sent is kept."""

import io
import tempfile
import threading
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cilmp.run import Run
from cilmp.served_page import page
from toolbox.errors import UserError

LARGEST = 20 << 20
"""Bytes of an image that is sent; what it may be inside, `datasets.images` limits."""
NOTE = "Research use only. Not a medical device."


def application(
    run: Run, coverage: float | None = None, hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
) -> Starlette:
    """The program that a server runs: GET / and /about, POST /predict and /explain with an image's bytes.

    Args:
        coverage: answers are sets with this coverage too; the run must be calibrated for it.
        hosts: names that requests may call this machine by: a page elsewhere cannot have another name point here.
    """
    served = _Served(run, coverage)
    routes = [
        Route("/", served.home),
        Route("/about", served.about),
        Route("/predict", served.predict, methods=["POST"]),
        Route("/explain", served.explain, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))])


class _Served:
    def __init__(self, run: Run, coverage: float | None) -> None:
        self.run, self.coverage = run, coverage
        self.turn = threading.Lock()  # the model takes one image at a time, whoever asks

    async def home(self, request: Request) -> Response:
        text, policy = page(self.run, NOTE)
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": policy})

    async def about(self, request: Request) -> Response:
        result = self.run.result
        facts = {key: result[key] for key in ("method", "backbone", "dataset", "shots", "classnames", "synthetic")}
        return JSONResponse({**facts, "accuracy": result["metrics"]["accuracy"], "note": NOTE})

    async def predict(self, request: Request) -> Response:
        return await self._with_image(request, self._predicted)

    async def explain(self, request: Request) -> Response:
        return await self._with_image(request, self._explained)

    async def _with_image(self, request: Request, answer: Any) -> Response:
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > LARGEST:
                return JSONResponse({"error": f"an image may have {LARGEST >> 20} MB"}, 413)
        if not content:
            return JSONResponse({"error": "send the bytes of an image"}, 400)
        try:
            return await run_in_threadpool(self._answered, bytes(content), answer)
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)

    def _answered(self, content: bytes, answer: Any) -> Response:
        with tempfile.TemporaryDirectory(prefix="served-") as folder:
            file = Path(folder) / "image"
            file.write_bytes(content)
            try:
                with self.turn:
                    return answer(file)
            except UserError as error:
                raise UserError(str(error).replace(str(file), "it")) from error

    def _predicted(self, file: Path) -> Response:
        from datasets.images import read_image

        found = self.run.predict([read_image(file, reading=self.run.reading)], coverage=self.coverage)[0]
        sets = {} if found.members is None else {"set": list(found.members), "coverage": self.coverage}
        return JSONResponse({"label": found.label, "probabilities": dict(found.probabilities), **sets, "note": NOTE})

    def _explained(self, file: Path) -> Response:
        from datasets.images import read_image

        content = io.BytesIO()
        self.run.explain(read_image(file, reading=self.run.reading)).savefig(content, format="png", dpi=90)
        return Response(content.getvalue(), media_type="image/png")
