"""An application on the official SDK, without asyncio: `OPENAI_BASE_URL` leads it there. Prints what it got."""

import json

import openai

client = openai.OpenAI(max_retries=0)


def asking(content):
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


asked = asking("What is a monad?")
tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
called = client.chat.completions.create(**asking("call tools"), tools=tools).choices[0].message
with client.responses.stream(model="m", input="What is a monad?") as stream:
    events = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
found = {
    "answer": client.chat.completions.create(**asked).choices[0].message.content,
    "stream": "".join(
        chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**asked, stream=True)
    ),
    "tool": [call.function.name for call in called.tool_calls],
    "response": client.responses.create(model="m", input="What is a monad?").output_text,
    "events": events,
    "vectors": [len(item.embedding) for item in client.embeddings.create(model="e", input=["a", "b"]).data],
}
try:
    client.chat.completions.create(**asking("bad request"))
except openai.BadRequestError as error:
    found["error"] = error.body["message"]
print(json.dumps(found))
