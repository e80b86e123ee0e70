"""The averaging server one writes with FastAPI and PyTorch: a preallocated buffer, lerp in place.

    fastapi_torch.py PORT LARGEST_BODY LOOP HTTP

LOOP and HTTP are uvicorn's: asyncio and h11 are what `pip install fastapi uvicorn` gives, uvloop
and httptools what `uvicorn[standard]` gives.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI, Request

application = FastAPI()
received = bytearray(int(sys.argv[2]))
weights = torch.frombuffer(received, dtype=torch.float32)
average = torch.zeros_like(weights)


@application.post("/parameters")
async def parameters(request: Request):
    view, filled = memoryview(received), 0
    async for chunk in request.stream():
        view[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    count = filled // 4
    average[:count].lerp_(weights[:count], 0.001)
    return {"applied": True}


uvicorn.run(
    application,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    access_log=False,
    log_level="warning",
    loop=sys.argv[3],
    http=sys.argv[4],
    timeout_keep_alive=75,
)
