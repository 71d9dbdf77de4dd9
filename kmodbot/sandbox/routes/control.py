"""The sandbox's own controls, for who runs in another process."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from kmodbot.sandbox.faults import Fault
from kmodbot.sandbox.world import world_of


def add(router: web.UrlDispatcher) -> None:
    """Add the controls under `/_sandbox`."""
    router.add_post("/_sandbox/faults", add_fault)
    router.add_delete("/_sandbox/faults", clear_faults)
    router.add_get("/_sandbox/calls", list_calls)
    router.add_get("/_sandbox/state", get_state)


async def add_fault(request: web.Request) -> web.Response:
    """Add the fault that the JSON body describes, with the members of `Fault`."""
    try:
        fault = Fault.from_json(await request.json())
    except ValueError as error:
        return web.json_response({"message": str(error)}, status=400)
    world_of(request).faults.add(fault)
    return web.json_response({}, status=201)


async def clear_faults(request: web.Request) -> web.Response:
    """Forget the faults that have not happened."""
    world_of(request).faults.clear()
    return web.Response(status=204)


async def list_calls(request: web.Request) -> web.Response:
    """List every API request so far."""
    return web.json_response([asdict(call) for call in world_of(request).calls])


async def get_state(request: web.Request) -> web.Response:
    """Show the runs, pull requests and releases in short."""
    world = world_of(request)
    return web.json_response(
        {
            "runs": [
                {
                    "id": run.id,
                    "title": run.title,
                    "status": run.status,
                    "conclusion": run.conclusion,
                }
                for run in world.runs
            ],
            "pulls": [
                {
                    "number": pull.number,
                    "head": pull.head_ref,
                    "state": pull.state,
                    "merged": pull.merged,
                }
                for pull in world.pulls
            ],
            "releases": {r.tag_name: [asset.name for asset in r.assets] for r in world.releases},
            "deliveries": len(world.hooks.deliveries),
        }
    )
