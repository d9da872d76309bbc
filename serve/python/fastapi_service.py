"""A classifier behind FastAPI; start it with ENGINE=att92.onnx uvicorn fastapi_service:app."""

import os
import time
from asyncio import to_thread
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request, responses

from ran_deploy import open_engine
from ran_deploy.data.preprocess import load_bytes, to_engine_input
from ran_deploy.errors import IntegrityError, UsageError
from ran_deploy.runtime.predict import Guess, best_guesses
from ran_deploy.serving.batcher import Batcher
from ran_deploy.serving.errors import ServingError


@asynccontextmanager
async def _life(_: FastAPI):
    with open_engine(os.environ["ENGINE"]) as session:
        async with Batcher(partial(to_thread, session.run), max_batch=32, max_delay_s=0.002, queue=256) as batcher:
            yield {"batcher": batcher, "contract": session.contract}


async def _refuse(_: Request, error: ServingError | UsageError | IntegrityError) -> responses.JSONResponse:
    return responses.JSONResponse({"error": error.message, "fix": error.fix}, getattr(error, "http_status", 400))


app = FastAPI(lifespan=_life, exception_handlers=dict.fromkeys((ServingError, UsageError, IntegrityError), _refuse))


@app.post("/classify")
async def classify(request: Request, top: int = 5) -> list[Guess]:
    """Return the likeliest classes of the image file in the body."""
    contract, batcher = request.state.contract, request.state.batcher
    pixels = await to_thread(load_bytes, await request.body(), contract.preprocessing, "the image")
    logits = await batcher.submit(to_engine_input(pixels[None], contract), deadline=time.monotonic() + 10)
    return list(best_guesses(logits, contract.labels, top)[0])
