"""An application on pydantic-ai that knows nothing of askonce: `OPENAI_BASE_URL` leads it there. Prints what it got."""

import asyncio
import json

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError

ASKED = "What is a monad?"


async def main() -> None:
    agent = Agent("openai-chat:m")
    called = []

    @agent.tool_plain
    def f() -> str:
        called.append("f")
        return "done"

    plain = Agent("openai-chat:m")
    async with plain.run_stream(ASKED) as stream:
        streamed = "".join([text async for text in stream.stream_text(delta=True)])
    await agent.run("use f")
    found = {
        "answer": (await plain.run(ASKED)).output,
        "stream": streamed,
        "tool": called,
        "response": (await Agent("openai-responses:m").run(ASKED)).output,
    }
    try:
        await plain.run("bad request")
    except ModelHTTPError as error:
        found["error"] = error.body["message"]
    print(json.dumps(found))


asyncio.run(main())
