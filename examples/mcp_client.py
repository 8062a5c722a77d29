"""List and call the tools over MCP. See README.md here for the address and password."""

import asyncio
import json
import os
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

address = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ADDRESS", "http://127.0.0.1:7860")
name, _, password = os.environ.get("CREDENTIALS", "").partition(":")


async def main() -> None:
    """List the tools, ask a question and verify a text."""
    url = f"{address.rstrip('/')}/gradio_api/mcp/"
    async with (
        httpx.AsyncClient(auth=(name, password) if name else None, timeout=120) as http,
        streamable_http_client(url, http_client=http) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        for tool in (await session.list_tools()).tools:
            print(f"{tool.name}: {(tool.description or '').partition('.')[0]}.")

        reply = await session.call_tool("ask", {"question": "柳州的四大定位是什么"})
        answer = json.loads(reply.content[0].text)  # type: ignore[union-attr]
        print(answer["text"], answer["citations"][0]["place"])

        reply = await session.call_tool("verify", {"text": "6月26日，陈刚在柳州市主持召开会议。"})
        for claim in json.loads(reply.content[0].text)["claims"]:  # type: ignore[union-attr]
            print(f"{claim['verdict']}: {claim['text']}", *(fault["message"] for fault in claim["faults"]))


asyncio.run(main())
