"""The averaging server one writes with aiohttp and PyTorch: a preallocated buffer, lerp in place.

    aiohttp_torch.py PORT LARGEST_BODY
"""

import sys

import torch
from aiohttp import web

received = bytearray(int(sys.argv[2]))
weights = torch.frombuffer(received, dtype=torch.float32)
average = torch.zeros_like(weights)


async def parameters(request):
    view, filled = memoryview(received), 0
    async for chunk in request.content.iter_any():
        view[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    count = filled // 4
    average[:count].lerp_(weights[:count], 0.001)
    return web.json_response({"applied": True})


application = web.Application(client_max_size=2**40)
application.router.add_post("/parameters", parameters)
web.run_app(
    application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None
)
